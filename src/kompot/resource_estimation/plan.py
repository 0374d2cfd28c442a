"""The plan of a run: what it takes, what there is, and whether that is enough."""

from dataclasses import dataclass, field
from typing import Any

from kompot.memory import Alternative, ResourceRequirement, SystemAvailability, human
from kompot.resource_estimation.report import html_report, text_report
from kompot.resource_estimation.wall_time import WallTime

__all__ = ["ResourcePlan"]


@dataclass
class ResourcePlan:
    """What a run takes, what the machine has, and what the run would write.

    Attributes
    ----------
    requirements
        What takes memory at the step of the run that takes most, largest first, and what takes
        disk space.
    availability
        What the machine and limits on the process leave.
    output_fields
        Names of the fields that would be written by place, ``"adata.var"`` for example.
    info, warnings, errors
        Remarks; with errors the run would be refused.
    overwritten
        The run that wrote each existing field, by place and name; -1 if none is recorded.
    alternatives
        Other options that take less.
    wall_time
        About how long the run takes; None if it was not estimated.
    steps
        Memory held at each step of the run, bytes.
    memory_threshold, disk_threshold
        Shares of what is available that a run may take.
    """

    requirements: list[ResourceRequirement] = field(default_factory=list)
    availability: SystemAvailability | None = None
    output_fields: dict[str, list[str]] = field(default_factory=dict)
    info: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    overwritten: dict[tuple[str, str], int] = field(default_factory=dict)
    alternatives: list[Alternative] = field(default_factory=list)
    wall_time: WallTime | None = None
    steps: dict[str, int] = field(default_factory=dict)
    memory_threshold: float = 0.8
    disk_threshold: float = 0.9

    def add_requirement(  # noqa: PLR0917 the documented order of arguments
        self,
        name: str,
        size_bytes: int,
        resource_type: str,
        shape: tuple[int, ...] | None = None,
        field_name: str | None = None,
        overwrite: bool = False,
    ) -> None:
        """Add something that takes memory or disk space.

        Parameters
        ----------
        name
            What it is.
        size_bytes
            How much it takes.
        resource_type
            ``"memory"`` or ``"disk"``.
        shape
            Shape, if it is an array.
        field_name
            The field that will hold it.
        overwrite
            Whether that field exists.
        """
        self.requirements.append(
            ResourceRequirement(name, size_bytes, resource_type, shape, field_name, overwrite)
        )

    @property
    def total_memory_required(self) -> int:
        """The most memory that the run holds at a time, beyond the data; bytes."""
        return self._total("memory")

    @property
    def total_disk_required(self) -> int:
        """Size of the files that the run writes, without the data; bytes."""
        return self._total("disk")

    @property
    def memory_ratio(self) -> float:
        """Memory required as a share of that available; infinite if there is none."""
        available = None if self.availability is None else self.availability.memory_available
        return _ratio(self.total_memory_required, available)

    @property
    def disk_ratio(self) -> float:
        """Disk space required as a share of that available; infinite if there is none."""
        available = None if self.availability is None else self.availability.disk_available
        return _ratio(self.total_disk_required, available)

    @property
    def is_feasible(self) -> bool:
        """Whether the run would not be refused."""
        return not self.errors

    @property
    def status(self) -> str:
        """``"feasible"``, ``"warnings"`` (feasible, with warnings) or ``"infeasible"``."""
        if not self.is_feasible:
            return "infeasible"
        return "warnings" if self.warnings else "feasible"

    def check_availability(
        self, memory_threshold: float = 0.8, disk_threshold: float = 0.9
    ) -> None:
        """Note in ``errors`` what exceeds its share of what is available.

        Parameters
        ----------
        memory_threshold, disk_threshold
            Shares of the available memory and disk space that the run may take.
        """
        self.memory_threshold, self.disk_threshold = memory_threshold, disk_threshold
        self.errors = [one for one in self.errors if not one.startswith("Insufficient ")]
        found = self.availability
        if found is None:
            return
        if self.total_memory_required > memory_threshold * found.memory_available:
            self.errors.append(
                f"Insufficient memory: the run needs {human(self.total_memory_required)}, more "
                f"than {memory_threshold:g} of the {found.memory_available_human} available."
            )
        if self.total_disk_required > disk_threshold * found.disk_available:
            self.errors.append(
                f"Insufficient disk space: the run writes {human(self.total_disk_required)}, more "
                f"than {disk_threshold:g} of the {found.disk_available_human} free at "
                f"{found.disk_path!r}; give another `disk_storage_dir`."
            )

    def format_report(self, verbose: bool = True) -> str:
        """The plan as text.

        Parameters
        ----------
        verbose
            Whether to list what takes memory and disk space.
        """
        return text_report(self, verbose=verbose)

    def to_dict(self) -> dict[str, Any]:
        """The plan in plain Python objects, ready for JSON."""
        found = self.availability
        memory = {
            "total_bytes": self.total_memory_required,
            "total_human": human(self.total_memory_required),
            "available_bytes": None if found is None else found.memory_available,
            "available_human": None if found is None else found.memory_available_human,
            "ratio": None if found is None else self.memory_ratio,
            "allocations": self._allocations("memory"),
            "steps": dict(self.steps),
        }
        disk = {
            "total_bytes": self.total_disk_required,
            "total_human": human(self.total_disk_required),
            "available_bytes": None if found is None else found.disk_available,
            "available_human": None if found is None else found.disk_available_human,
            "path": None if found is None else found.disk_path,
            "ratio": None if found is None else self.disk_ratio,
            "allocations": self._allocations("disk"),
        }
        return {
            "feasible": self.is_feasible,
            "status": self.status,
            "memory": memory,
            "disk": disk,
            "seconds": None if self.wall_time is None else self.wall_time.to_dict(),
            "output_fields": {place: list(names) for place, names in self.output_fields.items()},
            "overwrites": [
                {"location": place, "field": name, "run_id": None if run < 0 else run}
                for (place, name), run in self.overwritten.items()
            ],
            "alternatives": [
                {
                    "options": one.options,
                    "memory_bytes": one.memory_bytes,
                    "disk_bytes": one.disk_bytes,
                    "loses": one.loses,
                }
                for one in self.alternatives
            ],
            "info": list(self.info),
            "warnings": list(self.warnings),
            "errors": list(self.errors),
        }

    def _repr_html_(self) -> str:
        """The report for notebooks."""
        return html_report(self)

    def _total(self, resource_type: str) -> int:
        return sum(
            one.size_bytes for one in self.requirements if one.resource_type == resource_type
        )

    def _allocations(self, resource_type: str) -> list[dict[str, Any]]:
        found = []
        for one in self.requirements:
            if one.resource_type != resource_type:
                continue
            entry: dict[str, Any] = {
                "name": one.name,
                "bytes": one.size_bytes,
                "human": one.size_human,
                "shape": None if one.shape is None else list(one.shape),
            }
            if one.field_name is not None:
                entry |= {"field": one.field_name, "overwrite": one.overwrite}
            found.append(entry)
        return found


def _ratio(required: int, available: int | None) -> float:
    """Share that is required."""
    if not required or available is None:
        return 0.0
    return required / available if available else float("inf")
