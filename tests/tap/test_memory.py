"""Memory is used again when nobody keeps anything of it, and never before."""

from engine.shell.tap_memory import CHUNK_BYTES, CHUNKS_KEPT, LOOKED_AT_MAX, TapMemory


def test_a_chunk_is_used_again_only_when_its_last_view_is_gone() -> None:
    memory = TapMemory()
    first = memory.take(10)
    kept = memoryview(first)[100:200]
    assert memory.take(10) is not first
    part = kept[:1]
    kept.release()
    assert memory.take(10) is not first
    part.release()
    assert memory.take(10) is first


def test_what_is_kept_stays_what_it_was_whatever_is_taken() -> None:
    memory = TapMemory()
    kept = []
    for number in range(3 * LOOKED_AT_MAX):
        view = memoryview(memory.take(10))
        view[:4] = bytes([number]) * 4
        if number % 3:
            kept.append((number, view[:4]))
        view.release()
    assert all(view == bytes([number]) * 4 for number, view in kept)
    assert memory.held_bytes < 3 * LOOKED_AT_MAX * CHUNK_BYTES


def test_a_message_that_is_longer_than_a_chunk_gets_memory_of_its_own() -> None:
    memory = TapMemory()
    assert len(memory.take(CHUNK_BYTES + 1)) > CHUNK_BYTES
    assert memory.held_bytes == 0


def test_what_a_burst_needed_is_given_back_after_it() -> None:
    memory = TapMemory()
    burst = [memoryview(memory.take(10)) for _ in range(20)]
    memory.trim()
    assert memory.held_bytes == 20 * CHUNK_BYTES, "the burst has just been"
    for view in burst:
        view.release()
    memory.take(10)
    memory.trim()
    assert memory.held_bytes == CHUNKS_KEPT * CHUNK_BYTES
    memory.trim()
    assert memory.held_bytes == CHUNKS_KEPT * CHUNK_BYTES
