import numpy as np
import pandas as pd
import pytest

from otgan.data import DataError, SpecError
from otgan.data.labelled import open_labelled

TABLE = pd.DataFrame(
    {"x": [1.0, 2.0, 3.0], "kind": ["oak", "ash", "oak"], "y": [4.0, 5.0, 6.0], "group": [2, 10, 2]}
)
WRITERS = {
    ".csv": lambda path: TABLE.to_csv(path, index=False),
    ".tsv": lambda path: TABLE.to_csv(path, index=False, sep="\t"),
    ".parquet": TABLE.to_parquet,
}


@pytest.mark.parametrize("ending", WRITERS)
def test_a_column_of_a_table_holds_the_classes(tmp_path, ending):
    path = str(tmp_path / f"trees{ending}")
    WRITERS[ending](path)
    found = open_labelled(f"{path}#x,y", "kind")
    assert found.points.tolist() == [[1, 4], [2, 5], [3, 6]]
    assert (found.labels.tolist(), found.classes, found.columns) == ([1, 0, 1], ("ash", "oak"), ("x", "y"))
    found = open_labelled(f"{path}#y,group", "group")
    assert (found.points.tolist(), found.classes) == ([[4], [5], [6]], ("2", "10"))
    numbers = str(tmp_path / f"numbers{ending}")
    TABLE.drop(columns="kind").pipe(
        lambda table: (
            table.to_parquet(numbers)
            if ending == ".parquet"
            else table.to_csv(numbers, index=False, sep="\t" if ending == ".tsv" else ",")
        )
    )
    assert open_labelled(numbers, "group").columns == ("x", "y")
    with pytest.raises(SpecError, match="no points are left"):
        open_labelled(f"{path}#group", "group")
    with pytest.raises(SpecError, match="no column 'height' of labels: it has x, y, group"):
        open_labelled(numbers, "height")


def test_words_beside_the_labels_are_no_coordinates(tmp_path):
    path = str(tmp_path / "trees.csv")
    TABLE.to_csv(path, index=False)
    with pytest.raises(DataError, match="column 'kind': expected a number, found 'oak'"):
        open_labelled(path, "group")
    assert np.array_equal(open_labelled(path, "kind").points, TABLE[["x", "y", "group"]])


def test_what_is_no_table_has_no_column_of_labels():
    with pytest.raises(SpecError, match="no table with names of columns"):
        open_labelled("digits", "kind")
