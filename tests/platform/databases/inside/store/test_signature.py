from pilothouse.platform.databases.inside.store.signature import signed


def test_a_request_is_signed_as_amazon_shows_it() -> None:
    """The example "GET Bucket (List Objects)" of the S3 API Reference, its session in 2013."""
    headers = signed(
        "GET",
        "examplebucket.s3.amazonaws.com",
        "/",
        {"max-keys": "2", "prefix": "J"},
        b"",
        "us-east-1",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        1369353600.0,
    )
    assert headers["authorization"].endswith("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
