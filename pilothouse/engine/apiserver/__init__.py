"""The API server: one request pipeline in front of the store.

route -> authenticate -> authorize -> decode -> default -> admit -> validate -> store. Every stage is a small module and every
verb another; HTTP (`ApiServer.handle`) and `InProcessTransport` run the very same stages, they differ only in how a request
comes in and an answer goes out. What is special about one kind lives in `kinds/`, never here.
"""
