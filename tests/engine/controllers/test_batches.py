from pilothouse.engine.controllers import batches
from pilothouse.model.errors import Forbidden


async def test_batches_double_until_all_is_done() -> None:
    done: list[int] = []

    async def do(item: int) -> None:
        done.append(item)

    assert await batches.slow_start(range(20), do) == []
    assert sorted(done) == list(range(20))


async def test_the_first_refusal_stops_what_would_be_refused_as_well() -> None:
    tried: list[int] = []

    async def do(item: int) -> None:
        tried.append(item)
        raise Forbidden("exceeded quota")

    errors = await batches.slow_start(range(1000), do)
    assert (len(tried), len(errors)) == (1, 1)


async def test_errors_do_not_keep_the_rest_of_a_batch_from_being_tried() -> None:
    tried: list[int] = []

    async def do(item: int) -> None:
        tried.append(item)
        if item == 1:
            raise Forbidden("no")

    assert len(await batches.slow_start(range(10), do)) == 1
    assert tried == [0, 1, 2]
