# The one image of chaosml: the services that pods talk to, and the steps of the reference
# pipelines. `chaosml cluster up` builds it and loads it into kind; by hand:
#
#   docker build -t chaosml/services:0.1.0 .
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /opt/chaosml

# Dependencies first: they change seldom, and their layer is the large one.
COPY pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > requirements.txt \
    && pip install --no-cache-dir -r requirements.txt
COPY . ./
RUN pip install --no-cache-dir --no-deps . \
    && install --directory --mode=1777 /work

# Pods need no rights: Argo's executor passes signals on, and every port is above 1024.
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["chaosml"]
