"""The service behind `python -m runtime.serve`, along a request's way.

app, v2, v1, rpc     a protocol's words to a Question and an Answer's arrays to its words
repository, admission, version       which models there are, and which one is asked
pool                 the worker threads and the queue before them
question, answer     what is asked of a model and what it says; the same for every protocol
metrics, log         what is told about it
door, connection     who may come in, with how much, for how long
server               all of it, from the first port to the last answer
"""
