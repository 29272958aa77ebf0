"""What one connection's messages mean: turns, latencies and faults. Pure: time is an argument.

All latencies are counted from due times (see `schedule`), so sending late makes them longer.

connect to ready
    from the due start of the connection to the arrival of `ready`.
done to final
    from the due time of `done` to the arrival of the last final of that turn.
partial lag
    A partial says which words it covers, not which audio it is based on. That audio reaches at
    least to the end of its last word. So the lag runs from the due time of the message with that
    sample to the partial's arrival. Only partials that reach further than all before are counted:
    one that corrects earlier words, or comes again in a pause, has no audio of its own to lag
    behind.
gap before a partial
    how long speech was sent with nothing coming back: from the partial before, or, for an
    utterance's first partial, from the due time of its first word's start (before that there was
    silence, for which nothing is sent) to the partial's arrival.
gap before the end
    the same for the rest of the utterance: from its last partial, or its first word where it had
    none, to the due time of `done`, or to the arrival of the final of an endpoint that the server
    found. Without it a server that sends no partials would have no gaps.

Which final answers `done`? The server sends exactly one for it, in order, but may have found an
endpoint by itself a moment earlier, whose final then also arrives after `done` was sent. Therefore:

1. The first final after `done` is taken for the answer, and each one that follows within SETTLE_S
   of the one before takes its place, so the latency is that of the last. Then the turn is settled
   and the next clip starts.
2. A final that comes later still, when the next clip is already being played, belongs to the
   settled turn if its words end before the next clip's first sample, or if it has no words and the
   next `done` is not sent. It moves that turn's answer to its own, late, arrival.
3. An empty final is the answer for certain, for nothing but `done` makes a server send one. Another
   empty one after it answers nothing and is counted as a repeated response.

Servers of other protocols (see `dialects`) do not say when words were spoken. There is no lag then,
and an utterance without a partial has been silent since its turn began, or since the final before.

So a slow answer is never counted as a fast one. What cannot be told from outside: an endpoint's
final that arrives just after `done`, while the true answer never comes, passes as the answer.

Written and read by one asyncio task set on one thread; bounded by the run's number of turns.
"""

from __future__ import annotations

import math
from typing import Final

from tools.loadtest.dialects import Dialect, Ours
from tools.loadtest.messages import Hypothesis, MalformedMessageError, Notice
from tools.loadtest.messages import Message as Heard
from tools.loadtest.schedule import ClipSchedule, Message
from tools.loadtest.tally import Fault, Metric, Tally, Turn

SETTLE_S: Final = 0.5
ROUNDING_MS: Final = 1.0
"""Word times are whole milliseconds: a word may seem to end that much past the audio."""


class StreamLedger:
    """Writes down one connection's life. `connect_due_s` is when it was to be opened.

    A stream that has several, one after the other, is counted as ready with its first.
    """

    def __init__(
        self,
        stream: int,
        rate_hz: int,
        connect_due_s: float,
        tally: Tally,
        dialect: Dialect | None = None,
        *,
        is_first: bool = True,
    ) -> None:
        self._stream = stream
        self._dialect = dialect or Ours()
        self._is_first = is_first
        self._rate_hz = rate_hz
        self._connect_due_s = connect_due_s
        self._tally = tally
        self._turns: list[Turn] = []
        self._final_contents: set[Hypothesis] = set()
        self._sent_samples = 0
        self._covered_ms = 0.0
        self._last_partial_s: float | None = None  # of the utterance that is being spoken
        self._last_final_s = -math.inf  # of this turn
        self._partial_stands = False  # one with words, which no final has settled yet
        self._is_finished = False
        self.is_ready = False

    def begin_turn(self, clip: str, reference: str | None, schedule: ClipSchedule) -> None:
        """The next clip starts; all samples of the one before have been sent."""
        first_sample = self._turns[-1].end_sample if self._turns else 0
        turn = Turn(self._stream, clip, reference, schedule, first_sample)
        self._turns.append(turn)
        self._tally.turns.append(turn)
        self._last_partial_s = None  # where the `done` before was lost, its utterance ends here
        self._last_final_s = -math.inf

    def sent(self, message: Message, now_s: float) -> None:
        """A message has been handed to the transport."""
        self._sent_samples = self._turns[-1].first_sample + message.end
        self._tally.series[Metric.SEND_LATENESS].add(now_s, now_s - message.due_s)

    def sending_done(self) -> None:
        """`done` is on its way: finals from here on may answer it."""
        self._turns[-1].done_sent = True

    @property
    def is_answered(self) -> bool:
        """A final has come since the current turn's `done`."""
        return self._turns[-1].answer_s is not None

    @property
    def settled_s(self) -> float:
        """From when on no other final is expected for the current turn, which is answered."""
        turn = self._turns[-1]
        assert turn.answer_s is not None
        return turn.answer_s + SETTLE_S

    def give_up(self) -> None:
        """The current turn's `done` has waited for its final too long, or can wait no longer."""
        turn = self._turns[-1]
        turn.lost = turn.answer_s is None

    def finish(self) -> None:
        """All turns are over and the connection is being closed."""
        self._is_finished = True

    def dropped(self, reason: str) -> None:
        """The connection is gone before its last turn was over. An unanswered `done` is lost."""
        self._tally.note(Fault.DROPPED, reason)
        if self._turns and self._turns[-1].done_sent:
            self.give_up()

    def receive(self, raw: str | bytes, now_s: float) -> None:
        """A message has arrived."""
        try:
            message = self._dialect.read(raw)
        except MalformedMessageError as error:
            self._tally.note(Fault.MALFORMED, str(error))
            return
        if message is not None:
            self.take(message, now_s)

    def take(self, message: Heard, now_s: float) -> None:
        """A message has arrived and been understood."""
        if message.message_id:
            if message.message_id in self._tally.message_ids:
                self._tally.note(Fault.DUPLICATE, "a msgId that was used before")
                return
            self._tally.message_ids.add(message.message_id)
        if isinstance(message, Notice):
            self._notice(message, now_s)
        elif not self._turns:
            self._tally.note(Fault.MALFORMED, "a hypothesis before any audio")
        else:
            self._check_inside_audio(message)
            if message.is_final:
                self._final(message, now_s)
            else:
                self._partial(message, now_s)

    def _notice(self, notice: Notice, now_s: float) -> None:
        if notice.status != "ready":
            self._tally.note(Fault.ERROR, f"{notice.status}: {notice.info}")
        elif self.is_ready:
            self._tally.note(Fault.DUPLICATE, "ready said twice")
        else:
            self.is_ready = True
            self._tally.streams_ready += self._is_first
            connect_s = now_s - self._connect_due_s
            self._tally.series[Metric.CONNECT_READY].add(now_s, connect_s)

    def _check_inside_audio(self, hypothesis: Hypothesis) -> None:
        sent_ms = self._sent_samples * 1000 / self._rate_hz
        if any(word.end_ms > sent_ms + ROUNDING_MS for word in hypothesis.words):
            self._tally.note(Fault.MALFORMED, "a word ends past the audio sent")

    def _partial(self, partial: Hypothesis, now_s: float) -> None:
        self._tally.partials += 1
        stands, self._partial_stands = self._partial_stands, partial.says_something
        if not partial.says_something:
            if not stands:
                self._tally.note(Fault.MALFORMED, "a partial without words that takes none back")
            return
        end_ms = partial.words[-1].end_ms if partial.words else 0.0
        if end_ms > self._covered_ms:
            self._covered_ms = end_ms
            self._tally.series[Metric.LAG].add(now_s, now_s - self._covered_due_s(end_ms))
        gap_s = max(0.0, now_s - self._silent_since_s(partial, self._turns[-1]))
        self._tally.series[Metric.PARTIAL_GAP].add(now_s, gap_s)
        self._last_partial_s = now_s

    def _final(self, final: Hypothesis, now_s: float) -> None:
        self._partial_stands = False
        content = Hypothesis("", final.text, True, final.words)
        if final.words and content in self._final_contents:  # times tell equal texts apart
            self._tally.note(Fault.DUPLICATE, "a final that came before")
            return
        self._final_contents.add(content)
        if not final.says_something and self._is_finished:
            return  # some servers answer the close itself with a final
        turn = self._turn_of(final)
        if not final.says_something and not self._may_be_empty(turn):
            self._tally.note(Fault.DUPLICATE, "an empty final that no done asked for")
            return
        self._tally.finals += 1
        if turn is self._turns[-1]:
            self._end_utterance(final, turn, now_s)
        turn.finals.append(final)
        if turn.done_sent:
            turn.answer_s = now_s

    def _end_utterance(self, final: Hypothesis, turn: Turn, now_s: float) -> None:
        if final.says_something:
            end_s = turn.schedule.done_due_s if turn.done_sent else now_s
            tail_s = max(0.0, end_s - self._silent_since_s(final, turn))
            self._tally.series[Metric.TAIL_GAP].add(now_s, tail_s)
            if final.words:
                self._covered_ms = max(self._covered_ms, final.words[-1].end_ms)
        self._last_partial_s = None
        self._last_final_s = now_s

    def _may_be_empty(self, turn: Turn) -> bool:
        """Whether a final without words can be the answer of this turn's `done`."""
        answered_empty = turn.answer_s is not None and not turn.finals[-1].says_something
        return turn.done_sent and not answered_empty

    def _turn_of(self, final: Hypothesis) -> Turn:
        """The current turn, or the one before it: rule 2 above."""
        current = self._turns[-1]
        if len(self._turns) == 1 or current.finals:
            return current
        before = self._turns[-2]
        if before.answer_s is not None and not before.finals[-1].words:
            return current
        if final.words:
            limit_ms = before.end_sample * 1000 / self._rate_hz + ROUNDING_MS
            is_older = final.words[-1].end_ms <= limit_ms
        else:
            is_older = not current.done_sent
        return before if is_older else current

    def _silent_since_s(self, hypothesis: Hypothesis, turn: Turn) -> float:
        """Since when nothing has come back for the speech of this utterance."""
        if self._last_partial_s is not None:
            return self._last_partial_s
        if not hypothesis.timed:
            return max(turn.schedule.start_s, self._last_final_s)
        first_sample = self._sample(hypothesis.words[0].start_ms) - turn.first_sample
        return turn.schedule.due_s(max(0, first_sample) + 1)

    def _covered_due_s(self, end_ms: float) -> float:
        """When the last sample before this place in the stream was due."""
        end = self._sample(end_ms)
        turn = next(
            (turn for turn in reversed(self._turns) if turn.first_sample < end), self._turns[0]
        )
        return turn.schedule.due_s(end - turn.first_sample)

    def _sample(self, stream_ms: float) -> int:
        return round(stream_ms * self._rate_hz / 1000)
