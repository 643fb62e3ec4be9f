"""Objects as the rows of a Table, which is how `kubectl get` asks for them.

Columns and cells are those of Kubernetes' `pkg/printers/internalversion`.
"""

from datetime import UTC, datetime

from wizard.practice.kubernetes import cells
from wizard.practice.kubernetes.cells import Column
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj


def columns(resource: Resource) -> tuple[Column, ...]:
    """Every kind has some: those without their own show name and age."""
    return cells.COLUMNS.get(resource.schema_name, cells.PLAIN)


def of(resource: Resource, objects: list[Obj], meta: Obj, include: str = "Metadata") -> Obj:
    """`include` is Metadata, Object or None: how much of each object a row carries."""
    moment = datetime.now(UTC)
    shown = columns(resource)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": [
            {
                "name": column.name,
                "type": column.kind,
                "format": "name" if column.name == "Name" else "",
                "description": column.name,
                "priority": column.priority,
            }
            for column in shown
        ],
        "rows": [_row(obj, shown, moment, include) for obj in objects],
    }


def _row(obj: Obj, shown: tuple[Column, ...], moment: datetime, include: str) -> Obj:
    row: Obj = {"cells": [column.cell(obj, moment) for column in shown]}
    if include == "Object":
        row["object"] = obj
    elif include == "Metadata":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj["metadata"],
        }
    return row
