"""Each test plays a connection by hand: clips of 2 s at 8 kHz, times in seconds."""

from __future__ import annotations

import itertools
import json

import pytest

from tools.loadtest.ledger import SETTLE_S, StreamLedger
from tools.loadtest.schedule import ClipSchedule
from tools.loadtest.tally import Fault, Metric, Tally

RATE_HZ = 8000
CLIP_S = 2.0


class Connection:
    """A ledger, the tally behind it, and short ways to say what happens."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.ledger = StreamLedger(1, RATE_HZ, 10.0, self.tally)
        self._ids = itertools.count()

    def play(self, start_s: float, late_s: float = 0.0, reference: str | None = None) -> None:
        """A clip with all its audio, each message sent `late_s` late."""
        schedule = ClipSchedule(start_s, int(CLIP_S * RATE_HZ), RATE_HZ)
        self.ledger.begin_turn("clip", reference, schedule)
        for message in schedule.messages():
            self.ledger.sent(message, message.due_s + late_s)

    def done(self) -> None:
        self.ledger.sending_done()

    def partial(self, now_s: float, *words: tuple[int, int]) -> None:
        self.hear(now_s, words, False)

    def final(self, now_s: float, *words: tuple[int, int]) -> None:
        self.hear(now_s, words, True)

    def hear(
        self,
        now_s: float,
        words: tuple[tuple[int, int], ...],
        is_final: bool,
        message_id: str | None = None,
    ) -> None:
        fields = {
            "msgId": message_id or str(next(self._ids)),
            "text": " ".join("word" for _ in words),
            "isFinal": is_final,
            "words": [{"text": "word", "start": start, "end": end} for start, end in words],
        }
        self.ledger.receive(json.dumps(fields), now_s)

    def say(self, now_s: float, status: str, info: str = "") -> None:
        fields = {"msgId": str(next(self._ids)), "status": status, "info": info}
        self.ledger.receive(json.dumps(fields), now_s)

    def values(self, metric: Metric) -> list[float]:
        return [round(value, 6) for value in self.tally.measured(metric).values_ms]

    def faults(self) -> dict[Fault, dict[str, int]]:
        return {fault: dict(reasons) for fault, reasons in self.tally.faults.items() if reasons}


@pytest.fixture
def connection() -> Connection:
    return Connection()


def test_ready_is_counted_from_when_the_connection_was_due(connection: Connection) -> None:
    connection.say(10.25, "ready")
    assert connection.ledger.is_ready
    assert connection.values(Metric.CONNECT_READY) == [250]
    connection.say(10.5, "ready")
    assert connection.faults() == {Fault.DUPLICATE: {"ready said twice": 1}}


def test_errors_are_counted_by_status(connection: Connection) -> None:
    connection.say(10.0, "rate_limited", "too much")
    assert connection.faults() == {Fault.ERROR: {"rate_limited: too much": 1}}
    assert not connection.ledger.is_ready


def test_done_to_final_counts_from_the_due_time_however_late_the_sending(
    connection: Connection,
) -> None:
    connection.play(20.0, late_s=0.3)
    connection.done()
    assert not connection.ledger.is_answered
    connection.final(22.7, (0, 500))
    assert connection.ledger.is_answered
    assert connection.values(Metric.DONE_FINAL) == [700]
    assert set(connection.values(Metric.SEND_LATENESS)) == {300}


def test_a_final_before_done_answers_nothing(connection: Connection) -> None:
    connection.play(20.0)
    connection.final(21.9, (0, 500))
    connection.done()
    assert not connection.ledger.is_answered
    connection.final(22.4)
    assert connection.values(Metric.DONE_FINAL) == [400]
    assert connection.tally.finals == 2
    assert connection.tally.turns[0].text == "word"


def test_the_last_of_several_finals_is_the_answer_and_settles_the_turn(
    connection: Connection,
) -> None:
    connection.play(20.0)
    connection.done()
    connection.final(22.1, (0, 500))
    assert connection.ledger.settled_s == 22.1 + SETTLE_S
    connection.final(22.5, (1500, 1900))
    assert connection.ledger.settled_s == 22.5 + SETTLE_S
    assert connection.values(Metric.DONE_FINAL) == [500]
    assert connection.faults() == {}


@pytest.mark.parametrize("words", [(), ((1500, 2000),)])
def test_an_answer_that_comes_during_the_next_clip_counts_for_its_own(
    connection: Connection, words: tuple[tuple[int, int], ...]
) -> None:
    connection.play(20.0)
    connection.done()
    connection.final(22.1, (0, 500))  # an endpoint's final, as it turns out
    connection.play(23.0)
    connection.final(23.5, *words)
    connection.done()
    assert not connection.ledger.is_answered
    connection.final(25.2, (2100, 2500))
    assert connection.values(Metric.DONE_FINAL) == [1500, 200]
    assert len(connection.values(Metric.TAIL_GAP)) == 2  # its gap was over with the next clip
    assert [len(turn.finals) for turn in connection.tally.turns] == [2, 1]


def test_an_endpoint_during_the_next_clip_is_not_taken_for_an_old_answer(
    connection: Connection,
) -> None:
    connection.play(20.0)
    connection.done()
    connection.final(22.1, (0, 500))
    connection.play(23.0)
    connection.final(24.0, (2001, 2400))
    connection.done()
    connection.final(25.2, (3000, 3500))
    assert connection.values(Metric.DONE_FINAL) == [100, 200]
    assert [len(turn.finals) for turn in connection.tally.turns] == [1, 2]


def test_no_old_answer_comes_after_a_newer_final(connection: Connection) -> None:
    connection.play(20.0)
    connection.done()
    connection.final(22.1, (0, 500))
    connection.play(23.0)
    connection.final(24.0, (2001, 2400))
    connection.final(24.5)
    assert connection.values(Metric.DONE_FINAL) == [100]
    assert connection.faults() == {Fault.DUPLICATE: {"an empty final that no done asked for": 1}}


def test_a_done_without_final_is_lost_even_if_one_comes_in_the_next_clip(
    connection: Connection,
) -> None:
    connection.play(20.0)
    connection.done()
    connection.ledger.give_up()
    connection.play(33.0)
    connection.final(33.5, (0, 500))
    connection.done()
    connection.final(35.1, (2500, 3000))
    assert connection.tally.lost_finals == 1
    assert connection.values(Metric.DONE_FINAL) == [11500, 100]


def test_an_answered_done_is_not_lost(connection: Connection) -> None:
    connection.play(20.0)
    connection.done()
    connection.final(22.1)
    connection.ledger.give_up()
    connection.ledger.dropped("gone")
    assert connection.tally.lost_finals == 0


def test_a_dropped_connection_loses_the_final_that_was_awaited(connection: Connection) -> None:
    connection.play(20.0)
    connection.ledger.dropped("gone")
    assert connection.tally.lost_finals == 0
    connection.done()
    connection.ledger.dropped("gone")
    assert connection.tally.lost_finals == 1
    assert connection.faults() == {Fault.DROPPED: {"gone": 2}}


def test_lag_counts_from_the_message_that_holds_the_last_words_end(
    connection: Connection,
) -> None:
    connection.play(20.0)
    connection.partial(21.0, (0, 128))  # the first message exactly
    connection.partial(21.0, (0, 129))  # one sample more: the second
    assert connection.values(Metric.LAG) == [872, 744]


def test_lag_in_a_later_clip_counts_from_its_own_schedule(connection: Connection) -> None:
    connection.play(20.0)
    connection.done()
    connection.final(22.1, (0, 2000))
    connection.play(30.0)
    connection.partial(30.5, (2000, 2128))
    assert connection.values(Metric.LAG) == [372]
    assert connection.values(Metric.PARTIAL_GAP) == [372]


def test_a_word_that_ends_with_a_clip_lags_behind_that_clip(connection: Connection) -> None:
    connection.play(20.0)
    connection.play(30.0)
    connection.partial(30.5, (1000, 2000))
    assert connection.values(Metric.LAG) == [8500]


def test_a_gap_begins_with_the_message_that_holds_the_first_sample_of_the_word(
    connection: Connection,
) -> None:
    connection.play(20.0)
    connection.partial(20.5, (128, 300))  # the first sample of the second message
    assert connection.values(Metric.PARTIAL_GAP) == [244]


def test_only_partials_that_reach_further_have_a_lag(connection: Connection) -> None:
    connection.play(20.0)
    connection.partial(21.0, (0, 128))
    connection.partial(21.5, (0, 128))
    connection.partial(21.9, (0, 100))
    assert len(connection.values(Metric.LAG)) == 1
    assert connection.tally.partials == 3


def test_gaps_run_from_the_first_word_over_the_partials_to_done(connection: Connection) -> None:
    connection.play(20.0)
    connection.done()
    connection.partial(20.8, (400, 600))  # spoken from 20.4 on: due at 20.512
    connection.partial(21.5, (400, 1200))
    connection.final(22.3, (400, 1200), (1300, 1800))
    assert connection.values(Metric.PARTIAL_GAP) == [288, 700]
    assert connection.values(Metric.TAIL_GAP) == [500]  # to 22.0, when done was due


def test_a_gap_ends_with_the_final_of_an_endpoint_and_silence_is_none(
    connection: Connection,
) -> None:
    connection.play(20.0)
    connection.partial(20.5, (0, 300))
    connection.final(21.25, (0, 300))
    connection.done()
    connection.final(22.3, (1600, 1900))  # spoken from 21.6 on: due at 21.664
    assert connection.values(Metric.TAIL_GAP) == [750, 336]


def test_an_utterance_without_partials_is_one_gap_and_one_without_words_none(
    connection: Connection,
) -> None:
    connection.play(20.0)
    connection.done()
    connection.final(22.3, (0, 1900))
    connection.play(30.0)
    connection.done()
    connection.final(32.3)
    assert connection.values(Metric.PARTIAL_GAP) == []
    assert connection.values(Metric.TAIL_GAP) == [1872]


def test_waiting_for_a_lost_final_is_no_gap(connection: Connection) -> None:
    connection.play(20.0)
    connection.partial(21.0, (0, 300))
    connection.done()
    connection.ledger.give_up()
    connection.play(40.0)
    connection.partial(40.5, (2000, 2300))
    assert max(connection.values(Metric.PARTIAL_GAP)) == 872


def test_a_message_id_may_come_once_in_the_whole_run(connection: Connection) -> None:
    connection.play(20.0)
    connection.hear(21.0, ((0, 500),), False, message_id="same")
    other = StreamLedger(2, RATE_HZ, 10.0, connection.tally)
    other.receive('{"msgId": "same", "status": "ready", "info": ""}', 21.0)
    assert connection.faults() == {Fault.DUPLICATE: {"a msgId that was used before": 1}}
    assert not other.is_ready


def test_a_repeated_final_is_counted_and_answers_nothing(connection: Connection) -> None:
    connection.play(20.0)
    connection.final(21.5, (0, 500))
    connection.done()
    connection.final(22.1, (0, 500))
    assert not connection.ledger.is_answered
    assert connection.faults() == {Fault.DUPLICATE: {"a final that came before": 1}}


def test_equal_words_at_another_time_are_another_final(connection: Connection) -> None:
    connection.play(20.0)
    connection.final(21.5, (0, 500))
    connection.final(21.9, (900, 1400))
    assert connection.faults() == {}
    assert connection.tally.finals == 2


def test_an_empty_final_answers_one_done_only(connection: Connection) -> None:
    connection.play(20.0)
    connection.final(21.0)
    connection.done()
    connection.final(22.1)
    connection.final(22.2)
    connection.play(23.0)
    connection.final(23.1)
    assert connection.faults() == {Fault.DUPLICATE: {"an empty final that no done asked for": 3}}
    assert connection.values(Metric.DONE_FINAL) == [100]


def test_an_empty_final_in_answer_to_the_close_is_no_answer_to_done(
    connection: Connection,
) -> None:
    connection.play(20.0)
    connection.done()
    connection.final(22.1, (0, 500))
    connection.ledger.finish()
    connection.final(23.9)
    assert connection.values(Metric.DONE_FINAL) == [100]
    assert connection.faults() == {}


def test_words_past_the_audio_are_malformed(connection: Connection) -> None:
    connection.play(20.0)
    connection.partial(21.0, (0, 2001))  # rounded up: allowed
    connection.partial(21.0, (0, 2002))
    assert connection.faults() == {Fault.MALFORMED: {"a word ends past the audio sent": 1}}


def test_a_partial_without_words_takes_others_back_or_is_malformed(connection: Connection) -> None:
    connection.play(20.0)
    connection.partial(21.0, (0, 500))
    connection.partial(21.2)
    assert connection.faults() == {}
    connection.partial(21.4)
    connection.partial(21.5, (0, 500))
    connection.final(21.6, (0, 500))
    connection.partial(21.8)
    assert connection.faults() == {
        Fault.MALFORMED: {"a partial without words that takes none back": 2}
    }


def test_hypotheses_about_nothing_are_malformed(connection: Connection) -> None:
    connection.final(11.0, (0, 1))
    connection.ledger.receive(b"\0", 11.0)
    assert connection.faults() == {
        Fault.MALFORMED: {"a hypothesis before any audio": 1, "a binary message": 1}
    }


def test_word_errors_are_counted_where_done_was_sent_and_its_time_is_over(
    connection: Connection,
) -> None:
    connection.play(20.0, reference="word word")
    connection.done()
    connection.final(22.1, (0, 500), (600, 900))
    connection.play(23.0, reference="nothing")
    connection.done()
    connection.ledger.give_up()
    connection.play(35.0, reference="never finished")
    errors = connection.tally.word_errors
    assert (errors.errors, errors.words) == (1, 3)
