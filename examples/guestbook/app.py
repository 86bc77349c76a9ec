"""A guestbook: a page where visitors leave messages, and the same as a JSON API."""

import os
import signal
import socket
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from types import FrameType

from flask import Flask, Response, jsonify, redirect, render_template, request

TEXT_LIMIT = 500
NAME_LIMIT = 50
SHOWN = 100
SCHEMA = "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL, at REAL NOT NULL)"


class Book:
    """The messages in a SQLite file, or in memory; one connection, one request at a time."""

    def __init__(self, folder: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(Path(folder, "guestbook.db") if folder else ":memory:", check_same_thread=False)
        with self._lock, self._connection:
            self._connection.execute(SCHEMA)

    def add(self, name: str, text: str) -> dict[str, object]:
        with self._lock, self._connection:
            row = self._connection.execute("INSERT INTO messages (name, text, at) VALUES (?, ?, ?)", (name, text, time.time()))
            return {"id": row.lastrowid, "name": name, "text": text}

    def newest(self) -> list[dict[str, object]]:
        with self._lock, closing(self._connection.cursor()) as cursor:
            rows = cursor.execute("SELECT id, name, text, at FROM messages ORDER BY id DESC LIMIT ?", (SHOWN,))
            return [{"id": i, "name": n, "text": t, "at": time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))} for i, n, t, at in rows]


app = Flask(__name__)
book = Book(os.environ.get("GUESTBOOK_DATA", ""))


def accepted(name: object, text: object) -> tuple[str, str] | None:
    """The cleaned entry; None when it is empty, too long or no text at all."""
    if not isinstance(name, str) or not isinstance(text, str):
        return None
    name, text = name.strip() or "Anonymous", text.strip()
    return (name, text) if text and len(text) <= TEXT_LIMIT and len(name) <= NAME_LIMIT else None


@app.get("/")
def page() -> str:
    return render_template(
        "page.html",
        messages=book.newest(),
        greeting=os.environ.get("GREETING", "Hello"),
        host=socket.gethostname(),
        version=os.environ.get("VERSION", "1"),
        text_limit=TEXT_LIMIT,
        name_limit=NAME_LIMIT,
    )


@app.post("/")
def sign() -> Response | tuple[str, int]:
    entry = accepted(request.form.get("name", ""), request.form.get("text", ""))
    if entry is None:
        return f"A message has 1 to {TEXT_LIMIT} characters, a name at most {NAME_LIMIT}.", 400
    book.add(*entry)
    return redirect("/", code=303)  # type: ignore[return-value]


@app.get("/api/messages")
def messages() -> Response:
    return jsonify(host=socket.gethostname(), messages=book.newest())


@app.post("/api/messages")
def add() -> tuple[Response, int]:
    body = request.get_json(silent=True)
    entry = accepted(body.get("name", ""), body.get("text", "")) if isinstance(body, dict) else None
    if entry is None:
        return jsonify(error=f"send a JSON object with text (1 to {TEXT_LIMIT} characters) and name (at most {NAME_LIMIT})"), 400
    return jsonify(book.add(*entry)), 201


@app.get("/healthz")
def health() -> tuple[str, int]:
    return "ok\n", 200


def main() -> None:
    """Without gunicorn, for a look on one's own machine."""

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    app.run(host="0.0.0.0", port=int(os.environ.get("PORT", "8080")), threaded=True)  # noqa: S104 -- reached from outside


if __name__ == "__main__":
    main()
