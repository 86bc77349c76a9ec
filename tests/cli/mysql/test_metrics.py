from pilothouse.cli.mysql.metrics import rows, samples

TEXT = """# HELP mysql_up Whether it answers.
# TYPE mysql_up gauge
mysql_up 1
disk_free_bytes{member="a",path="/da\\"ta"} 3221225472
latency_seconds_bucket{le="1"} 4
latency_seconds_sum 0.123456
odd NaN
broken
"""


def test_samples_are_read_with_their_labels_and_without_buckets() -> None:
    found = list(samples(TEXT))
    assert [(each.name, each.labels) for each in found] == [
        ("mysql_up", ""),
        ("disk_free_bytes", 'member=a,path=/da\\"ta'),
        ("latency_seconds_sum", ""),
        ("odd", ""),
    ]


def test_members_stand_side_by_side_and_what_one_has_not_is_left_empty() -> None:
    shown = list(rows([list(samples(TEXT)), list(samples("mysql_up 0\n"))]))
    assert shown == [
        ["mysql_up", "1", "0"],
        ['disk_free_bytes{member=a,path=/da\\"ta}', "3Gi", ""],
        ["latency_seconds_sum", "0.1235", ""],
        ["odd", "NaN", ""],
    ]
