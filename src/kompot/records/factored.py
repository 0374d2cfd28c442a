r"""Layers that are stored as factors: features of the cells and weights of the genes.

A layer of :math:`n` cells and :math:`g` genes is a product of rank :math:`r`,

.. math:: L = \Phi W^\top, \quad \Phi\ (n \times r),\ W\ (g \times r),

so that ``obsm`` and ``varm`` hold in :math:`(n + g) r` numbers what the layer holds in
:math:`n g`. A run that stores factors says in its record which layers can be made of them, and how.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from anndata import AnnData

from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.records.history import HISTORY_KEYS, read_history
from kompot.records.recorded import field_owners
from kompot.records.smoothing_fields import SmoothingFields

__all__ = [
    "FactoredLayer",
    "Spread",
    "expression_layers",
    "factored_entry",
    "factored_layers",
    "factored_names",
    "factored_source",
    "is_shared",
    "recorded_writer",
    "require_factors",
    "same_basis",
    "smoothing_layers",
]

_ENTRY = "factored_layers"


@dataclass(frozen=True)
class Spread:
    r"""A standard deviation, :math:`\sqrt{s_i^2 + \sum_k (\phi_i^\top w_{kg})^2}`.

    Attributes
    ----------
    std
        Column of ``obs`` with :math:`s`, the same for all genes.
    deviations
        Key of ``varm`` with the weights :math:`w_k` of the differences between samples, side by
        side, ``(n_vars, n_differences * rank)``; None if there are none.
    """

    std: str
    deviations: str | None = None


@dataclass(frozen=True)
class FactoredLayer:
    r"""How a layer is made of factors.

    A function :math:`\phi_i^\top (w_g^+ - w_g^-)` if there are weights, over the root of the sum of
    squares of the spreads if there are any; without weights that root itself.

    Attributes
    ----------
    field
        The layer.
    basis
        Key of ``obsm`` with the features :math:`\phi`.
    plus, minus
        Keys of ``varm`` with weights; None for none.
    spreads
        Standard deviations.
    is_written
        Whether the run would have written the layer had its layers been dense.
    """

    field: Field
    basis: str
    plus: str | None = None
    minus: str | None = None
    spreads: tuple[Spread, ...] = ()
    is_written: bool = True

    @property
    def factors(self) -> list[tuple[str, str]]:
        """Location and name of each field that is needed; the basis comes first."""
        keys = (self.plus, self.minus, *(spread.deviations for spread in self.spreads))
        return [
            ("obsm", self.basis),
            *(("varm", key) for key in keys if key is not None),
            *(("obs", spread.std) for spread in self.spreads),
        ]


def expression_layers(
    fields: ExpressionFields, *, store_additional_stats: bool
) -> list[FactoredLayer]:
    """The layers of a run of differential expression, made of its factors.

    Z-scores can be read even if the run would not have written them.
    """
    basis = fields.basis.name
    weights = fields.weights1.name, fields.weights2.name
    spreads = Spread(fields.std1.name), Spread(fields.std2.name)
    if fields.with_samples:
        spreads = (
            Spread(fields.posterior_std1.name, fields.deviations1.name),
            Spread(fields.posterior_std2.name, fields.deviations2.name),
        )
    layers = [
        FactoredLayer(fields.imputed1, basis, weights[0]),
        FactoredLayer(fields.imputed2, basis, weights[1]),
        FactoredLayer(fields.fold_change, basis, weights[1], weights[0]),
        FactoredLayer(
            fields.zscores, basis, weights[1], weights[0], spreads, store_additional_stats
        ),
    ]
    if fields.with_samples:
        stds = zip((fields.std1, fields.std2), spreads, strict=True)
        layers += [FactoredLayer(std, basis, spreads=(spread,)) for std, spread in stds]
    return layers


def smoothing_layers(fields: SmoothingFields, *, with_samples: bool) -> list[FactoredLayer]:
    """The layers of a run that smooths, made of its factors."""
    basis = fields.basis.name
    spread = Spread(fields.posterior_std.name, fields.deviations.name if with_samples else None)
    return [
        FactoredLayer(fields.smoothed, basis, fields.weights.name),
        FactoredLayer(fields.std, basis, spreads=(spread,)),
    ]


def factored_entry(layers: Iterable[FactoredLayer], digest: str) -> dict[str, Any]:
    """What the record of a run says of its factored layers.

    Parameters
    ----------
    layers
        The layers, all of one basis.
    digest
        Of the basis: weights of runs whose bases are the same can be used together.
    """
    return {_ENTRY: {"digest": digest, "layers": [asdict(layer) for layer in layers]}}


def factored_layers(run: Mapping[str, Any]) -> dict[str, FactoredLayer]:
    """The layers that a recorded run stored as factors, by name."""
    entry = run.get(_ENTRY)
    stored = entry.get("layers", []) if isinstance(entry, Mapping) else []
    layers = [
        FactoredLayer(
            **made
            | {
                "field": Field(**made["field"]),
                "spreads": tuple(Spread(**spread) for spread in made["spreads"]),
            }
        )
        for made in stored
    ]
    return {layer.field.name: layer for layer in layers}


def factored_source(adata: AnnData, name: str) -> FactoredLayer | None:
    """How to make a layer of the factors of the newest run that has it; None if there are none.

    A dense layer that the same run wrote, or a newer one, comes first.

    Raises
    ------
    ValueError
        If factors are missing, or a later run replaced some but not all of them.
    """
    for key in HISTORY_KEYS.values():
        stored = adata.uns.get(key)
        if not isinstance(stored, Mapping) or _ENTRY not in str(stored.get("run_history", "")):
            continue
        runs = _readable(stored)
        owner = field_owners(runs).get(("layers", name), -1)
        if name not in adata.layers:
            owner = -1
        for number in range(len(runs) - 1, owner, -1):
            layer = factored_layers(runs[number]).get(name)
            if layer is not None:
                require_factors(adata, runs, number, layer)
                return layer
    return None


def factored_names(adata: AnnData) -> set[str]:
    """Names of the layers that any run stored as factors."""
    stored = [adata.uns.get(key) for key in HISTORY_KEYS.values()]
    runs = [run for entry in stored if isinstance(entry, Mapping) for run in _readable(entry)]
    return {name for run in runs for name in factored_layers(run)}


def recorded_writer(adata: AnnData, name: str) -> int | None:
    """Number of the newest run that says it wrote a layer; None if none does."""
    for key in HISTORY_KEYS.values():
        stored = adata.uns.get(key)
        if isinstance(stored, Mapping):
            number = field_owners(_readable(stored)).get(("layers", name))
            if number is not None:
                return number
    return None


def is_shared(runs: Sequence[Mapping[str, Any]], chosen: Collection[int], name: str) -> bool:
    """Whether runs other than the chosen ones have factored layers of a basis that exists now.

    Parameters
    ----------
    runs
        Recorded runs.
    chosen
        Numbers of some.
    name
        Key of ``obsm`` with the basis.
    """
    digest = _digest(runs[field_owners(runs)["obsm", name]])
    return any(
        number not in chosen
        and _digest(run) == digest
        and any(layer.basis == name for layer in factored_layers(run).values())
        for number, run in enumerate(runs)
    )


def same_basis(adata: AnnData, key: str, location: str, name: str, digest: str) -> bool:
    """Whether a field belongs to a basis: whether the run that wrote it last had the same one.

    Parameters
    ----------
    adata
        The data.
    key
        Key of ``uns`` with the history.
    location, name
        The field.
    digest
        Of the basis.
    """
    stored = adata.uns.get(key)
    if name not in getattr(adata, location) or not isinstance(stored, Mapping):
        return False
    runs = _readable(stored)
    owner = field_owners(runs).get((location, name))
    return owner is not None and _digest(runs[owner]) == digest


def require_factors(
    adata: AnnData, runs: list[dict[str, Any]], number: int, layer: FactoredLayer
) -> None:
    """Refuse factors that are not there, or of different bases.

    Parameters
    ----------
    adata
        The data.
    runs
        Recorded runs.
    number
        Number of the run whose layer it is.
    layer
        The layer.

    Raises
    ------
    ValueError
        Naming the factor, or the run that replaced some.
    """
    remedy = "repeat the run, with a `result_key` of its own if others are to be kept"
    for location, name in layer.factors:
        if name not in getattr(adata, location):
            msg = (
                f"The layer {layer.field.name!r} of run {number} was stored as factors, and "
                f"adata.{location}[{name!r}] is missing; {remedy}."
            )
            raise ValueError(msg)
    owners = field_owners(runs)
    numbers = {place: owners.get(place, number) for place in layer.factors}
    digests = {place: _digest(runs[owner]) for place, owner in numbers.items()}
    for place in layer.factors:
        if place[0] != "obs" and digests[place] != digests["obsm", layer.basis]:
            newer = max(numbers[place], numbers["obsm", layer.basis])
            msg = (
                f"The layer {layer.field.name!r} of run {number} was stored as factors, of which "
                f"run {newer} replaced some by others that do not fit: {remedy}."
            )
            raise ValueError(msg)


def _readable(stored: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Recorded runs; none if they cannot be read, which is said when a run is recorded."""
    try:
        return read_history(stored)
    except ValueError:
        return []


def _digest(run: Mapping[str, Any]) -> str | None:
    """Digest of the basis of a run; None if it stored none."""
    entry = run.get(_ENTRY)
    return entry.get("digest") if isinstance(entry, Mapping) else None
