"""Lists: selectors, pages, versions."""

from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap


async def fill(api: Api, count: int) -> None:
    for number in range(count):
        await api.post(CONFIGMAPS, {"metadata": {"name": f"c{number}", "labels": {"odd": str(number % 2)}}})


async def test_pages_show_one_revision_while_others_write(api: Api) -> None:
    await fill(api, 5)
    first = await api.get(CONFIGMAPS, limit="2")
    assert first["metadata"]["remainingItemCount"] == 3
    await api.delete(f"{CONFIGMAPS}/c3")
    await api.post(CONFIGMAPS, configmap("c9"))
    found, token = [item["metadata"]["name"] for item in first["items"]], first["metadata"]["continue"]
    while token:
        page = await api.call("GET", CONFIGMAPS, **{"limit": "2", "continue": token})
        found += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
    assert found == ["c0", "c1", "c2", "c3", "c4"]


async def test_a_selector_hides_the_number_of_what_remains(api: Api) -> None:
    await fill(api, 4)
    page = await api.get(CONFIGMAPS, limit="1", labelSelector="odd=1")
    assert page["items"][0]["metadata"]["name"] == "c1"
    assert "remainingItemCount" not in page["metadata"]


async def test_fields_select_by_name(api: Api) -> None:
    await fill(api, 3)
    assert await api.names(CONFIGMAPS, fieldSelector="metadata.name=c1") == ["c1"]
    assert (await api.refused("GET", CONFIGMAPS, fieldSelector="data.x=1")).code == 400


async def test_an_exact_version_is_shown_as_it_was(api: Api) -> None:
    await fill(api, 2)
    version = (await api.get(CONFIGMAPS))["metadata"]["resourceVersion"]
    await api.delete(f"{CONFIGMAPS}/c0")
    assert await api.names(CONFIGMAPS, resourceVersion=version, resourceVersionMatch="Exact") == ["c0", "c1"]
    assert await api.names(CONFIGMAPS, resourceVersion=version) == ["c1"]


async def test_a_broken_continue_token_is_refused(api: Api) -> None:
    error = await api.refused("GET", CONFIGMAPS, **{"continue": "e30"})
    assert error.code == 400
    assert "continue key is not valid" in error.message


async def test_a_match_needs_a_version(api: Api) -> None:
    assert (await api.refused("GET", CONFIGMAPS, resourceVersionMatch="Exact")).code == 422
