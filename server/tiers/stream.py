"""One session of this machine on a model server: what is sent of it, and what came back. Pure.

A stream opens at the session's last final, however often: at its start, after a connection was
lost, and in a new link process. From there audio and marks go out as the server gives credit, and
results come back with numbers that count from that place. The outbox has the last word on what is
settled, so nothing is lost, and what was published is asked for by nobody again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final

from server.tiers.channel import ChannelError
from server.tiers.frames import MAX_AUDIO_BYTES, Audio, Credit, Mark, Open, Result
from shm.link_slot import LinkSlot
from shm.outbox import OutboxRecord, ResumePoint, fits
from shm.session import Session

MAX_AUDIO_SAMPLES: Final = MAX_AUDIO_BYTES // 2


class LinkStream:
    """A session and the place in it that its model server has reached."""

    __slots__ = (
        "_accepted",
        "_begin",
        "_heard",
        "_limit",
        "_marks_sent",
        "_number",
        "_results",
        "_sent",
        "_session",
        "_settled",
        "_slot",
    )

    def __init__(self, slot: LinkSlot, session: Session) -> None:
        self._slot = slot
        self._session = session
        self._settled = slot.resume_point(session)
        self._begin = self._settled
        self._results: deque[OutboxRecord] = deque()
        self._number = 0
        self._heard = self._settled
        self._sent = self._limit = self._settled.sample
        self._marks_sent = self._settled.mark
        self._accepted = False

    @property
    def epoch(self) -> int:
        return self._session.epoch

    @property
    def number(self) -> int:
        """By which its model server knows it."""
        return self._number

    @property
    def has_settled(self) -> bool:
        """Whether a final of it is out: it is not at its beginning."""
        return self._settled.segment > 0

    def open(self, number: int, partials: int) -> Open:
        """Begins again at the last final, as stream ``number`` of a connection.

        What came over another connection and is not published yet comes once more.
        """
        self._number = number
        begin = self._begin = self._settled
        self._heard = ResumePoint(begin.segment, begin.sample, begin.mark, 0, begin.sample)
        self._sent = self._limit = begin.sample
        self._marks_sent = begin.mark
        self._accepted = False
        self._results.clear()
        self._slot.computed(begin.sample)
        return Open(number, self._begin.sample - self._session.base_sample, partials)

    def credit(self, credit: Credit) -> None:
        """The server takes more audio.

        Raises:
            ChannelError: it says to have computed what it was not sent.
        """
        position = self._begin.sample + credit.position
        if position > self._sent:
            raise ChannelError("it has computed audio that was not sent")
        self._accepted = True
        self._limit = max(self._limit, self._begin.sample + credit.limit)
        self._slot.computed(position)

    def next_frame(self) -> Audio | Mark | None:
        """What to send next, once it has been accepted: audio within its credit, or a mark."""
        if not self._accepted:
            return None
        head = self._slot.audio_head  # before the mark: see `WorkerSlot.audio_head`
        mark = self._slot.mark_at(self._marks_sent)
        if mark is not None and mark <= self._sent:
            self._marks_sent += 1
            return Mark(self._number)
        available = head if mark is None else min(head, mark)
        stop = min(available, self._limit, self._sent + MAX_AUDIO_SAMPLES)
        if stop <= self._sent:
            return None
        samples = self._slot.audio(self.epoch, self._settled, self._sent, stop)
        if samples is None:
            return None  # the session has ended
        self._sent = stop
        return Audio(self._number, samples.astype("<i2", copy=False).tobytes())

    def take(self, result: Result) -> None:
        """A result of the server's; `publish` hands it on.

        Raises:
            ChannelError: it cannot be one of this stream as it was sent.
        """
        begin, heard = self._begin, self._heard
        resume = ResumePoint(
            segment=begin.segment + result.segment,
            sample=begin.sample + result.sample,
            mark=begin.mark + result.mark,
            emission=0,
            partial_sample=begin.sample + result.partial_sample,
        )
        if result.hypothesis.is_final:
            resume = replace(resume, partial_sample=resume.sample)
            follows = (
                resume.segment == heard.segment + 1
                and heard.sample <= resume.sample <= self._sent
                and resume.mark == heard.mark + result.requested <= self._marks_sent
            )
        else:
            follows = (
                not result.requested
                and replace(resume, partial_sample=heard.partial_sample) == heard
                and heard.partial_sample <= resume.partial_sample <= self._sent
            )
        if not (follows and fits(result.hypothesis)):
            raise ChannelError("its results do not follow from what it was sent")
        self._heard = resume
        record = OutboxRecord(self.epoch, result.hypothesis, result.requested, resume)
        self._results.append(record)

    def publish(self) -> None:
        """Moves results to the outbox, as far as it has room."""
        while self._results and self._slot.epoch == self.epoch and self._slot.has_room:
            record = self._results.popleft()
            is_new = record.resume.partial_sample > self._settled.partial_sample
            if record.hypothesis.is_final or is_new:  # else a replay of what was sent before
                self._slot.publish(record)
                self._settled = record.resume
