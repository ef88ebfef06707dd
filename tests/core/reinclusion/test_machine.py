"""The rules of a re-inclusion, and a crash between any two of its steps."""

from __future__ import annotations

from collections import deque

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubsec.identity import Identity
from hubsec.reinclusion.machine import (
    MOST_ABSENT,
    MOST_RESTARTS,
    Ask,
    Machine,
    Open,
    Recognize,
    Restart,
    Tell,
    Watch,
    Write,
)
from hubsec.reinclusion.shapes import Manner, Phase, Proof, Stage
from tests.core.reinclusion.world import NEW, OLD, World, identity, journal, place, row


def begun(world: World) -> Machine:
    machine = Machine(world.written)
    world.run(machine, machine.begin())
    return machine


def through(world: World, machine: Machine, turns: int = 200) -> None:
    """A person who does all that is asked for, until nothing is."""
    for _ in range(turns):
        if machine.is_over:
            return
        world.run(machine, world.reset(machine))
        world.run(machine, world.press(machine))
        world.run(machine, world.ask_again(machine))
        if machine.standstill is not None or machine.journal.paused:
            world.run(machine, machine.resume())


def test_each_device_is_replaced_on_the_new_keys_and_told_by_its_verdict() -> None:
    world = World.of(row(1), row(2), row(3))
    through(world, begun(world))
    assert world.over
    assert world.told == [identity(1), identity(2), identity(3)]
    assert world.replaced_on == [NEW, NEW, NEW]
    assert {one.phase for one in world.written.rows} == {Phase.DONE}


def test_what_is_to_happen_is_written_before() -> None:
    world = World.of(row(1))
    begun(world)
    steps: list[str] = []
    for output in world.outputs:
        match output:
            case Write(journal=written):
                steps.append(f"{written.stage} {written.rows[0].phase}")
            case Ask():
                steps.append("ask")
            case _:
                steps.append(type(output).__name__)
    assert steps == ["restarting pending", "Restart", "proving pending", "ask", "including pending", "Watch"]


# Rule 4 and 5: which keys the server has


def test_a_server_that_stays_on_the_old_keys_is_restarted_and_then_it_stands_still() -> None:
    world = World.of(row(1), row(2))
    world.restarts = deque([OLD] * MOST_RESTARTS)
    machine = begun(world)
    assert sum(isinstance(output, Restart) for output in world.outputs) == MOST_RESTARTS
    assert machine.standstill is not None
    assert "device 1" in machine.standstill
    assert not any(isinstance(output, Watch | Open) for output in world.outputs)
    world.run(machine, machine.resume())
    assert machine.standstill is None
    through(world, machine)
    assert world.replaced_on == [NEW, NEW]


def test_a_server_that_is_said_to_have_failed_stands_still_until_a_person_resumes() -> None:
    world = World.of(row(1))
    world.restarts = deque([None])
    machine = begun(world)
    assert machine.standstill == "The server was not restarted: it did not come up."
    assert machine.journal.held == {place(1): identity(1)}
    world.run(machine, machine.resume())
    assert machine.current == identity(1)


def test_nobody_is_replaced_before_a_device_has_shown_the_servers_keys() -> None:
    world = World.of(row(1), row(2))
    for device in world.devices.values():
        device.powered = False
    machine = begun(world)
    assert machine.current is None
    assert machine.standstill is not None
    assert "switch one on" in machine.standstill
    world.devices[identity(2)].powered = True
    world.run(machine, world.ask_again(machine))
    assert machine.standstill is None
    assert machine.current == identity(1)


@pytest.mark.parametrize(("witness", "proved"), [(True, True), (False, False)])
def test_who_could_not_be_read_before_the_restart_either_is_no_witness(witness: bool, proved: bool) -> None:
    """It may have keys from before those that the server had."""
    world = World.of(row(1, witness=witness))
    world.devices[identity(1)].keys = "older"
    world.restarts = deque([OLD])
    machine = begun(world)
    assert (machine.current is not None) is proved


def test_after_a_crash_a_server_that_nobody_can_vouch_for_is_restarted_once() -> None:
    """The only device was in between: that it answers says nothing, before the server was told the keys again."""
    world = World.of(row(1))
    machine = begun(world)
    world.run(machine, world.reset(machine))
    world.devices[identity(1)].keys = NEW  # It came in, and hubsec was gone.
    again = begun(world)
    assert [one for one in world.outputs if isinstance(one, Restart)] == [Restart(), Restart()]
    assert again.is_over
    assert world.told == [identity(1)]


# Rules 6 to 8: one device


def test_a_device_that_can_t_read_its_verdict_is_pending_again() -> None:
    world = World.of(row(1), row(2))
    machine = begun(world)
    world.run(machine, world.reset(machine))
    world.devices[identity(1)].keys = OLD
    world.run(machine, machine.joined(identity(1), place(1)))
    assert machine.journal.rows[0].phase is Phase.PENDING
    assert world.told == []


def test_a_silent_device_waits_for_its_verdict_while_the_next_one_is_taken_up() -> None:
    world = World.of(row(1), row(2))
    machine = begun(world)
    world.run(machine, world.reset(machine))
    world.devices[identity(1)].powered = False
    world.run(machine, world.press(machine))
    assert machine.journal.rows[0].phase is Phase.KEYED
    assert machine.current == identity(2)
    assert machine.journal.held == {place(1): identity(1), place(2): identity(2)}
    world.devices[identity(1)].powered = True
    world.run(machine, world.ask_again(machine))
    assert world.told == [identity(1)]
    assert machine.journal.held == {place(2): identity(2)}


def test_who_was_given_keys_and_is_not_there_any_more_is_taken_up_again() -> None:
    """It was reset once more, before it could give its verdict."""
    world = World.of(row(1))
    machine = begun(world)
    world.run(machine, world.reset(machine))
    joined = world.press(machine)
    world.devices[identity(1)].keys = None
    world.run(machine, joined)
    for _ in range(MOST_ABSENT - 1):
        machine.answered(identity(1), Proof.ABSENT)
    # It was heard of in between.
    machine.answered(identity(1), Proof.SILENT)
    for _ in range(MOST_ABSENT - 1):
        machine.answered(identity(1), Proof.ABSENT)
    assert world.waits_for is None
    world.run(machine, machine.answered(identity(1), Proof.ABSENT))
    assert world.waits_for == identity(1)
    assert "reset once more" in world.written.rows[0].detail
    through(world, machine)
    assert world.over
    assert world.told == [identity(1)]
    assert world.recognized == []


def test_who_came_while_nobody_looked_is_recognized_before_it_is_done() -> None:
    world = World.of(row(1), row(2))
    machine = begun(world)
    world.run(machine, world.reset(machine))
    world.devices[identity(1)].keys = NEW
    world.run(machine, machine.lost())
    world.run(machine, machine.back())
    assert world.recognized == world.told == [identity(1)]
    steps = [one for one in world.outputs if isinstance(one, Recognize | Tell)]
    assert steps == [Recognize(identity(1)), Tell(identity(1))]


def test_a_window_that_ended_without_its_device_is_opened_again() -> None:
    world = World.of(row(1), row(2))
    machine = begun(world)
    world.run(machine, world.reset(machine))
    world.run(machine, machine.failed(identity(1), "It did not come."))
    assert machine.journal.rows[0].phase is Phase.PENDING
    assert machine.journal.rows[0].detail == "It did not come."
    assert machine.current == identity(1)
    through(world, machine)
    assert world.told == [identity(1), identity(2)]


def test_a_device_whose_place_is_gone_is_missing_and_said_so() -> None:
    world = World.of(row(1), row(2))
    machine = begun(world)
    world.run(machine, machine.place_gone(identity(1)))
    assert machine.journal.progress().missing == (identity(1),)
    assert machine.current == identity(2)
    through(world, machine)
    assert world.over
    assert machine.journal.held == {place(1): identity(1)}


def test_a_device_by_smart_start_comes_under_another_address() -> None:
    world = World.of(row(1, manner=Manner.SMART_START), row(2))
    machine = begun(world)
    world.run(machine, world.reset(machine))
    world.devices[identity(1)].powered = False
    world.run(machine, machine.joined(identity(1), place(9)))
    assert machine.journal.held == {place(9): identity(1), place(2): identity(2)}


# Rules 9 and 10: a person


def test_a_pause_closes_what_waits_and_outlasts_a_crash() -> None:
    world = World.of(row(1), row(2))
    machine = begun(world)
    world.run(machine, world.reset(machine))
    world.run(machine, machine.pause())
    assert machine.current is None
    assert world.waits_for is None
    assert world.written.rows[0].phase is Phase.PENDING
    again = begun(world)
    assert again.journal.paused
    assert again.current is None
    world.run(again, again.resume())
    assert again.current == identity(1)
    through(world, again)
    assert len(world.told) == 2


def test_a_skipped_device_comes_when_the_others_are_through() -> None:
    world = World.of(row(1), row(2), row(3))
    machine = begun(world)
    world.run(machine, machine.skip(identity(1)))
    assert machine.current == identity(2)
    world.run(machine, machine.skip(identity(2)))
    assert machine.current == identity(3)
    through(world, machine)
    assert world.told == [identity(3), identity(1), identity(2)]


def test_finishing_lists_who_is_not_done_and_goes_on_to_hold_it() -> None:
    world = World.of(row(1), row(2))
    machine = begun(world)
    world.run(machine, world.reset(machine))
    world.run(machine, world.press(machine))
    world.run(machine, machine.finish())
    assert world.over
    assert world.written.progress().missing == (identity(2),)
    assert world.written.held == {place(2): identity(2)}
    # The server was put back on the old keys: whoever answers there is held no more.
    world.server = OLD
    again = begun(world)
    assert again.journal.held == {}


def test_a_lost_device_is_missing_from_the_start() -> None:
    world = World.of(row(1), row(2, phase=Phase.MISSING))
    machine = begun(world)
    assert machine.journal.held == {place(1): identity(1), place(2): identity(2)}
    through(world, machine)
    assert world.over
    assert machine.journal.progress().missing == (identity(2),)


# Rule 11


def test_a_lost_connection_is_found_out_about_when_it_is_back() -> None:
    world = World.of(row(1), row(2))
    machine = begun(world)
    world.run(machine, world.reset(machine))
    world.run(machine, machine.lost())
    world.devices[identity(1)].keys = NEW
    world.run(machine, machine.back())
    assert world.told == [identity(1)]
    assert machine.current == identity(2)


def test_nothing_shows_a_key() -> None:
    kept = journal(row(1))
    assert "\\x" not in repr(kept) + repr(kept.rows) + f"{kept}"
    with pytest.raises(TypeError):
        msgspec.json.encode(kept)  # But by the journal itself, for the vault.
    assert b"keys" not in msgspec.json.encode(kept.progress())
    assert b"dsk" not in msgspec.json.encode(kept.progress())


# Anything, anywhere

ACTS = ("reset", "press", "ask", "pause", "resume", "skip", "lose", "crash", "off", "on", "elsewhere")


def happens(world: World, machine: Machine, act: str, which: Identity, steps: int) -> Machine:
    """Something happens; the machine that there is then."""
    match act:
        case "reset":
            world.run(machine, world.reset(machine))
        case "press":
            world.run(machine, world.press(machine))
        case "ask":
            world.run(machine, world.ask_again(machine))
        case "pause":
            world.run(machine, machine.pause())
        case "resume":
            world.run(machine, machine.resume())
        case "skip":
            world.run(machine, machine.skip(which))
        case "crash":
            return crashed(world, machine, steps)
        case "off" | "on":
            world.devices[which].powered = act == "on"
        case _:
            if act == "elsewhere" and not machine.is_over:
                world.server = OLD  # Somebody started it on the settings from before.
            world.run(machine, machine.lost())
            world.run(machine, machine.back())
    return machine


def crashed(world: World, machine: Machine, steps: int) -> Machine:
    """It goes on for a few outputs more, and is gone; its successor as well, if it does more than so many."""
    left = [steps]

    def soon() -> bool:
        left[0] -= 1
        return left[0] < 0

    outputs = world.reset(machine) or world.press(machine) or world.ask_again(machine)
    world.run(machine, outputs, stop=soon)
    world.waits_for, world.is_open = None, False
    world.outputs.clear()
    machine = Machine(world.written)
    return machine if world.run(machine, machine.begin(), stop=soon) else begun(world)


@settings(max_examples=150)
@given(
    count=st.integers(1, 4),
    acts=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 3), st.integers(1, 8)), max_size=30),
    # One that lies after one that did not could be seen by no device, where each has been reset.
    restarts=st.lists(st.sampled_from([OLD, None]), max_size=4),
)
def test_whatever_breaks_every_device_ends_on_the_new_keys(
    count: int, acts: list[tuple[str, int, int]], restarts: list[str | None]
) -> None:
    """A crash between any two outputs, restarts that fail or lie, devices that are off, connections that end."""
    world = World.of(*(row(number) for number in range(1, count + 1)))
    world.restarts = deque(restarts)
    machine = begun(world)
    for act, which, steps in acts:
        machine = happens(world, machine, act, identity(which % count + 1), steps)
        assert machine.journal == world.written
        for one in world.written.rows:
            assert one.phase is not Phase.DONE or world.devices[one.device].keys == NEW
    for device in world.devices.values():
        device.powered = True
    world.restarts.clear()
    world.run(machine, machine.lost())
    world.run(machine, machine.back())
    through(world, machine)
    assert machine.is_over
    assert world.server == NEW
    assert all(one.keys == NEW for one in world.devices.values())
    assert world.written.stage is Stage.ENDED
    assert {one.phase for one in world.written.rows} == {Phase.DONE}
    assert set(world.replaced_on) <= {NEW}


@pytest.mark.parametrize("proof", Proof)
def test_an_answer_that_nobody_waits_for_changes_nothing(proof: Proof) -> None:
    world = World.of(row(1), row(2))
    machine = begun(world)
    before = machine.journal
    assert machine.answered(identity(1), proof) == []
    assert machine.answered(identity(7), proof) == []
    assert machine.fell_silent(identity(2)) == []
    assert machine.joined(identity(7), place(7)) == []
    assert machine.journal == before
