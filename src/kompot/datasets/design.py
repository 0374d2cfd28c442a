"""The experiment: conditions, donors, samples and their numbers of cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.datasets.pairs import as_pair
from kompot.settings import checks

UNEQUAL_CELLS_SD = 0.5


@dataclass(frozen=True)
class Design:
    """Who was measured, and with how many cells.

    A sample is a donor in a condition. Samples are numbered by condition, then by donor.

    Parameters
    ----------
    n_cells
        Cells in all samples together.
    conditions
        Names of the two conditions.
    n_donors
        Number of donors in each condition.
    paired
        Whether the donors of both conditions are the same.
    cells_ratio
        Cells of condition 2 per cell of condition 1.
    unequal_cells
        Standard deviation of the log number of cells of a sample.
    """

    n_cells: int
    conditions: tuple[str, str]
    n_donors: tuple[int, int]
    paired: bool
    cells_ratio: float
    unequal_cells: float

    def __post_init__(self) -> None:
        """Check the parameters."""
        for number in self.n_donors:
            checks.number("n_donors", number, least=1, whole=True)
        if self.paired and self.n_donors[0] != self.n_donors[1]:
            msg = (
                "`n_donors` must be the same in both conditions when `paired` is True; "
                f"found {self.n_donors}."
            )
            raise ValueError(msg)
        checks.number("n_cells", self.n_cells, least=1, whole=True)
        if self.n_cells < self.n_samples:
            msg = (
                f"`n_cells` must be at least the number of samples, {self.n_samples}; "
                f"found {self.n_cells}."
            )
            raise ValueError(msg)
        checks.number("cells_ratio", self.cells_ratio, above=0)
        checks.number("unequal_cells", self.unequal_cells, least=0)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return sum(self.n_donors)

    @property
    def sample_condition(self) -> NDArray[np.intp]:
        """Condition (0 or 1) of each sample, ``(n_samples,)``."""
        return np.repeat(np.arange(2), self.n_donors)

    @property
    def sample_donor(self) -> NDArray[np.intp]:
        """Donor (from 0) of each sample, ``(n_samples,)``."""
        if self.paired:
            return np.tile(np.arange(self.n_donors[0]), 2)
        return np.arange(self.n_samples)

    @property
    def donors(self) -> list[str]:
        """Names of the donors."""
        number = int(self.sample_donor.max()) + 1
        digits = len(str(number))
        return [f"donor_{donor:0{digits}d}" for donor in range(1, number + 1)]

    @property
    def samples(self) -> list[str]:
        """Names of the samples: donor and condition."""
        donors = self.donors
        return [
            f"{donors[donor]}_{self.conditions[condition]}"
            for donor, condition in zip(self.sample_donor, self.sample_condition, strict=True)
        ]

    def draw_cells(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Draw the sample of each cell, ``(n_cells,)``, in random order; none stays empty."""
        weights = np.exp(self.unequal_cells * rng.standard_normal(self.n_samples))
        share = np.array([1, self.cells_ratio]) / (1 + self.cells_ratio)
        for condition in range(2):
            samples = self.sample_condition == condition
            weights[samples] *= share[condition] / weights[samples].sum()
        numbers = apportion(self.n_cells, weights)
        return rng.permutation(np.repeat(np.arange(self.n_samples), numbers))


def read_conditions(value: object) -> tuple[str, str]:
    """Check the names of the two conditions."""
    first, second = as_pair("conditions", value)
    if not (isinstance(first, str) and isinstance(second, str)):
        msg = f"`conditions` must be two strings; found {value!r}."
        raise TypeError(msg)
    if not first or not second or first == second:
        msg = f"`conditions` must be two different, non-empty names; found {value!r}."
        raise ValueError(msg)
    return str(first), str(second)


def read_donors(value: object) -> tuple[int, int]:
    """Read the number of donors in each condition, from one number for both or from a pair."""
    pair = isinstance(value, list | tuple | np.ndarray)
    first, second = as_pair("n_donors", value) if pair else (value, value)
    for number in (first, second):
        checks.number("n_donors", number, least=1, whole=True)
    return int(first), int(second)  # type: ignore[call-overload]


def read_paired(value: object) -> bool:
    """Check that `paired` is a truth value."""
    if not isinstance(value, bool | np.bool_):
        msg = f"`paired` must be True or False; found {value!r}."
        raise TypeError(msg)
    return bool(value)


def read_unequal_cells(value: object) -> float:
    """Read the standard deviation of log cells per sample; True stands for 0.5, False for 0."""
    if isinstance(value, bool | np.bool_):
        return UNEQUAL_CELLS_SD if value else 0.0
    checks.number("unequal_cells", value, least=0)
    return float(value)  # type: ignore[arg-type]


def apportion(total: int, weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """Divide `total` into whole numbers proportional to `weights`, but at least one each.

    What is left after rounding down goes to the largest remainders; what an empty part needs comes
    from the largest part. `total` must be at least ``len(weights)``.
    """
    quota = total * weights / weights.sum()
    numbers: NDArray[np.intp] = np.floor(quota).astype(np.intp)
    largest = np.argsort(numbers - quota, kind="stable")[: total - int(numbers.sum())]
    numbers[largest] += 1
    for empty in np.flatnonzero(numbers == 0):
        numbers[np.argmax(numbers)] -= 1
        numbers[empty] = 1
    return numbers
