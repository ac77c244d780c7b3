"""The service behind `yolov5-dnn serve`, in the order of a request's way.

connection, middleware       who may send what, how much and for how long
app, v2, v1; rpc, messages   HTTP with its two protocols; gRPC: what arrives becomes an InferenceRequest
predict                      pictures as they are, by HTTP without a protocol
json_text, interceptor       JSON in steps; who may call over gRPC and be silent for how long
openapi                      the API documentation of inference requests
request, response, outputs   what is asked of a model and the arrays of its response, for every protocol
tensors                      pictures that come in as tensors, arrays that go out as such
service, pool                the worker threads and the queue before them
repository, admission        which models there are, which files may be loaded
served_model                 one version of a model, with a predictor for each worker
metrics, access_log, log     figures for Prometheus, a line for each request, other libraries' messages
server                       all of it, from the first port to the last response
triton, triton_model         `serve export-triton`: the models as a repository for NVIDIA's Triton
"""
