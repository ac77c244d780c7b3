# The service in a container: docker build -t yolov5-dnn . && docker run -p 8000:8000 -p 8001:8001 yolov5-dnn
# With models of your own: docker run -v $PWD/models:/models:ro … yolov5-dnn /models
# .ci/image runs these steps in a plain folder, where there is no container engine.

FROM python:3.12-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY convert convert
COPY runtime runtime
COPY weights weights
# opencv-python-headless takes opencv-python's place: no X libraries are needed then.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --no-deps . \
    && /venv/bin/pip install --no-cache-dir numpy opencv-python-headless \
       fastapi uvicorn uvloop httptools grpcio prometheus-client swagger-ui-bundle "tritonclient[grpc]"

FROM python:3.12-slim-bookworm
COPY --from=build /venv /venv
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin service
USER 10001
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=2)"]
ENTRYPOINT ["python", "-m", "runtime.serve", "--host", "0.0.0.0"]
