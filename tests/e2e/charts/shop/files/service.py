"""One of the shop's services; the variable SERVICE says which."""

import http.server
import json
import os
import time
import urllib.request

SERVICE = os.environ["SERVICE"]
CARTS = {}


def call(service, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    host, port = os.environ[f"{service.upper()}_ADDR"].split(":")
    with urllib.request.urlopen(f"http://{host}:{port}{path}", data, timeout=5) as answer:
        return json.loads(answer.read())


def frontend(path, body):
    if path == "/work":
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass
        return {"worked": True}
    if path == "/":
        return {"products": call("catalog", "/products"), "version": os.environ["IMAGE_TAG"]}
    if path.startswith("/cart/"):
        return call("cart", path, body)
    return call("checkout", path, body)


def catalog(path, body):
    with open("/catalog/products.json") as file:
        return json.load(file)


def cart(path, body):
    user = path.removeprefix("/cart/")
    if body is not None:
        CARTS.setdefault(user, []).append(body)
    return CARTS.get(user, [])


def checkout(path, body):
    user = path.removeprefix("/checkout/")
    prices = {each["name"]: each["price"] for each in call("catalog", "/products")}
    total = sum(prices[item["product"]] * item["count"] for item in call("cart", f"/cart/{user}"))
    return call("payment", "/pay", {"user": user, "total": total})


def payment(path, body):
    with open("/secrets/key") as file:
        signed = bool(file.read())
    return body | {"paid": True, "currency": os.environ["CURRENCY"], "signed": signed}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.serve(None)

    def do_POST(self):
        self.serve(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def serve(self, body):
        said = {"ok": SERVICE} if self.path == "/healthz" else globals()[SERVICE](self.path, body)
        data = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
