"""A cluster's API as a table of documents, and documents to put into it."""

from chaosml.cluster.api import Answer

LEADER = "/apis/coordination.k8s.io/v1/namespaces/argo/leases/workflow-controller"
CONTROLLER_PODS = "/api/v1/namespaces/argo/pods"
DEPLOYMENTS = "/apis/apps/v1/deployments"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class FakeApi:
    """Answers what it holds, keeps what is applied, refuses what it is told to refuse."""

    where = "context fake"

    def __init__(self, documents=None, refused=(), statuses=None):
        self.documents = dict(documents or {})
        self.refused = set(refused)
        self.statuses = statuses or {}
        self.applied = []

    def ask(self, method, path, body=None, **_):
        if path in self.statuses:
            return Answer(self.statuses[path], {"message": "as the test says"})
        if path == REVIEWS:
            return Answer(201, {"status": {"allowed": self._allows(body)}})
        if method == "get" and path not in self.documents:
            return Answer(404, {"message": "not found"})
        return Answer(200, self.documents.get(path, {}))

    def _allows(self, body):
        asked = body["spec"]["resourceAttributes"]
        name = "/".join(part for part in (asked["resource"], asked["subresource"]) if part)
        return (asked["verb"], name) not in self.refused

    def get(self, path, query=()):
        return self.documents[path]

    def find(self, path):
        return self.documents.get(path)

    def path_of(self, document):
        return f"/{document['kind']}/{document['metadata']['name']}"

    def apply(self, document):
        self.applied.append(document)
        established = {"conditions": [{"type": "Established", "status": "True"}]}
        self.documents[self.path_of(document)] = {**document, "status": established}
        if document["kind"] == "Deployment":
            self.install(controller(document))
        return document

    def install(self, deployment):
        """Hold a controller that runs and leads."""
        namespace = deployment["metadata"]["namespace"]
        name = "workflow-controller"
        self.documents[DEPLOYMENTS] = {"items": [deployment]}
        self.documents[f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"] = deployment
        self.documents[LEADER] = {"spec": {"holderIdentity": "pod-1"}}
        self.documents[CONTROLLER_PODS] = {"items": [{"metadata": {"name": "pod-1"}}]}


def controller(deployment=None, *, image="quay.io/argoproj/workflow-controller:v3.6.2", **changes):
    """Return a controller's Deployment, up and running."""
    container = {"name": "workflow-controller", "image": image, **changes}
    document = deployment or {
        "metadata": {"name": "workflow-controller", "namespace": "argo"},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
    }
    running = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    return {**document, "status": running}


def node(name, *, ready=True, unschedulable=False):
    """Return a Node object."""
    status = "True" if ready else "Unknown"
    return {
        "metadata": {"name": name},
        "spec": {"unschedulable": True} if unschedulable else {},
        "status": {"conditions": [{"type": "Ready", "status": status}]},
    }
