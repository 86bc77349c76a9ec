import asyncio

# Without it pytest-asyncio makes a loop that nobody closes when a test that is no coroutine comes before one that is.
asyncio.set_event_loop(None)
