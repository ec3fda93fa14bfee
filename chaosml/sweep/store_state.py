"""The content of a bucket after a crash: the recorded effects, applied to an empty bucket.

Versions keep their ids, so that what the recorded requests say of them stays true. What an
upload in parts was made of is cut out of the object that it became.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chaosml.errors import HistoryError
from chaosml.services.bucket_state import BucketState, ObjectVersion, PendingUpload, UploadedPart
from chaosml.sweep.effects import Effect
from chaosml.sweep.recording import Recording

__all__ = ["Unbuildable", "compose"]


class Unbuildable(HistoryError):
    """The recording does not hold what the store held; the message says what is missing."""


def compose(recording: Recording, numbers: Sequence[int]) -> BucketState:
    """Return what the recorded bucket holds after these effects and no others.

    Raises:
        Unbuildable: the recording does not tell.
    """
    return _Composition(recording).after(
        [recording.effects[number - 1] for number in sorted(numbers)]
    )


class _Composition:
    """Applies effects to an empty bucket."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._versions: list[ObjectVersion] = []
        self._uploads: dict[str, dict[int, UploadedPart]] = {}
        self._keys: dict[str, str] = {}

    def after(self, effects: Sequence[Effect]) -> BucketState:
        for effect in effects:
            if effect.obstacle:
                raise Unbuildable(effect.obstacle)
            self._apply(effect)
        return BucketState(
            bucket=self._recording.bucket,
            versions=tuple(self._versions),
            uploads=tuple(
                PendingUpload(upload=upload, key=self._keys[upload], parts=tuple(parts.values()))
                for upload, parts in self._uploads.items()
            ),
        )

    def _apply(self, effect: Effect) -> None:
        upload = effect.upload or ""
        match effect.operation:
            case "CreateMultipartUpload":
                self._uploads[upload], self._keys[upload] = {}, effect.key
            case "UploadPart" | "UploadPartCopy":
                part = self._part(effect)
                self._uploads.setdefault(upload, {})[part.number] = part
                self._keys[upload] = effect.key
            case "AbortMultipartUpload":
                self._uploads.pop(upload, None)
            case "DeleteObject" | "DeleteObjects":
                self._delete(effect)
            case _:
                self._uploads.pop(upload, None)
                self._versions.append(self._version(effect))

    def _version(self, effect: Effect) -> ObjectVersion:
        stored = self._recording.stored.get((effect.key, effect.version or ""))
        if stored is None:
            raise Unbuildable(
                f"{effect.name}: version {effect.version} was removed before the recording ended"
            )
        return ObjectVersion(
            key=effect.key,
            version=stored.version,
            sha256=stored.sha256,
            etag=stored.etag,
            headers=stored.headers,
        )

    def _delete(self, effect: Effect) -> None:
        if effect.version is None:
            return  # There was nothing to delete, and no marker was made.
        same = [one for one in self._versions if one.key == effect.key]
        removed = next((one for one in same if one.version == effect.version), None)
        if removed is not None and removed.deleted:
            self._versions.remove(removed)
        elif removed is not None:
            raise Unbuildable(f"{effect.name}: it removed one version, whose bytes are gone")
        elif effect.version or same:
            # A quiet request was told no version: nobody can have asked for it.
            version = effect.version or f"deleted-{effect.number}"
            self._versions.append(ObjectVersion(key=effect.key, version=version, deleted=True))

    def _part(self, effect: Effect) -> UploadedPart:
        """Return a part with its place in the object that the upload became, or what was kept."""
        kept = self._recording.parts.get((effect.upload or "", effect.part or 0))
        if kept is not None and kept.sha256 == effect.sha256:
            return UploadedPart(number=kept.number, sha256=kept.sha256, start=0, size=kept.size)
        sizes = _sizes_of_parts(self._recording.effects, effect)
        whole = _became(self._recording, effect)
        number = effect.part or 0
        if whole is None or number not in sizes:
            raise Unbuildable(
                f"{effect.name}: its upload was aborted, or the part was sent again, so its bytes "
                "are not recorded"
            )
        start = sum(size for other, size in sizes.items() if other < number)
        return UploadedPart(number=number, sha256=whole, start=start, size=sizes[number])


def _sizes_of_parts(effects: Sequence[Effect], of: Effect) -> Mapping[int, int]:
    """Return the sizes of an upload's parts; of a part that was sent twice the last."""
    return {
        effect.part: effect.size
        for effect in effects
        if effect.upload == of.upload
        and effect.operation == "UploadPart"
        and effect.part is not None
        and effect.size is not None
    }


def _became(recording: Recording, of: Effect) -> str | None:
    """Return the digest of the object that an upload became, where its parts make it up."""
    sizes = _sizes_of_parts(recording.effects, of)
    for effect in _completions(recording.effects, of.upload):
        stored = recording.stored.get((effect.key, effect.version or ""))
        if stored is not None and stored.size == sum(sizes.values()):
            return stored.sha256
    return None


def _completions(effects: Sequence[Effect], upload: str | None) -> Iterator[Effect]:
    return (
        effect
        for effect in effects
        if effect.operation == "CompleteMultipartUpload" and effect.upload == upload
    )
