"""What is read out of wrk's report."""

from bench.rig.load import parse

CALM = """Running 5s test @ http://127.0.0.1:8080/
  2 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.24ms    1.10ms  20.10ms   91.00%
    Req/Sec     1.20k   100.00     1.50k    70.00%
  Latency Distribution
     50%  870.00us
     75%    3.60ms
     90%    4.20ms
     99%    1.25s
  12000 requests in 5.00s, 2.00MB read
Requests/sec:   2399.51
Transfer/sec:    409.60KB
"""
BROKEN = CALM.replace(
    "Requests/sec", "  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 7\nRequests/sec"
)


def test_a_calm_run_has_no_failures() -> None:
    assert parse(CALM) == {"requests": 12000, "failed": 0, "per_second": 2399.51, "median": 0.87, "p99": 1250.0}


def test_failed_counts_wrong_answers_and_broken_connections() -> None:
    assert parse(BROKEN)["failed"] == 4328
