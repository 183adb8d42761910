"""DataFrames: Arrow tables from Node, Polars on the same memory, tables back.

Needs pyarrow and Polars: pip install -r requirements.txt
"""

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from procwire import Client
from procwire.arrow import ArrowCodec

# JavaScript's strings arrive as dictionaries: here they are wanted as strings.
client = Client(default_codec=ArrowCodec(decode_dictionaries=True))


@client.handle
def summary(table: pa.Table) -> pl.DataFrame:
    """One row for each station: anything with Arrow's C stream interface is a table in Node."""
    temperature = pl.col("temperature")
    return (
        frame_of(table)
        .group_by("station")
        .agg(
            days=pl.len().cast(pl.Int32),  # a UInt64 would be BigInts in JavaScript
            mean=temperature.mean().round(1),
            coldest=temperature.min(),
            warmest=temperature.max(),
            frost=(temperature < 0).sum().cast(pl.Int32),
        )
        .sort("station")
    )


@client.handle
def warm_spells(table: pa.Table) -> Iterator[pl.DataFrame]:
    """Days in a row above 18 °C: a chunk for each station that has them."""
    for frame in frame_of(table).partition_by("station", maintain_order=True):
        warm = pl.col("temperature") > 18
        spells = (
            frame.sort("day")
            .with_columns(spell=(warm != warm.shift()).fill_null(True).cum_sum())
            .filter(warm)
            .group_by("station", "spell")
            .agg(start=pl.col("day").min(), days=pl.len().cast(pl.Int32))
            .filter(pl.col("days") >= 4)
            .sort("start")
            .drop("spell")
        )
        if len(spells):
            yield spells


def frame_of(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


if __name__ == "__main__":
    client.run()
