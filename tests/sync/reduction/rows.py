"""Objects of a base as its rows."""

import pyarrow as pa

from argosy.sync.reduction.base import SCHEMA, TOP_ID


def rows_of(objects, parents):
    """Return objects as rows; `parents` tells, by side, inode and birth time of the directory that each is in."""
    sides = [
        [
            [each.on[side].binding.inode for each in objects],
            [each.on[side].binding.born_ns for each in objects],
            [parent[side][0] for parent in parents],
            [parent[side][1] for parent in parents],
            [each.on[side].version.mtime_ns for each in objects],
            [each.on[side].version.ctime_ns for each in objects],
        ]
        for side in (0, 1)
    ]
    columns = [
        [bytes.fromhex(each.id) for each in objects],
        [bytes.fromhex(each.parent) or TOP_ID for each in objects],
        [each.name for each in objects],
        [int(each.kind) for each in objects],
        [each.content for each in objects],
        [each.size for each in objects],
        [each.mtime_ns for each in objects],
        *([each.metadata[field] for each in objects] for field in range(4)),
        *sides[0],
        *sides[1],
    ]
    return pa.Table.from_arrays(
        [
            pa.array(column, getattr(field.type, "storage_type", field.type)).cast(field.type)
            for column, field in zip(columns, SCHEMA, strict=True)
        ],
        schema=SCHEMA,
    )
