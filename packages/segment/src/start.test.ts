import { describe, expect, test, vi } from "vitest";
import { StreamLog } from "./stream-log.ts";
import { BenchSegment, decided, KEEP, slice, v } from "./testing/bench-segment.ts";

describe("a start", () => {
  test("looks at each slice a few times, however many of them were aborted", () => {
    const s = new BenchSegment({ settings: KEEP });
    const count = 2000;
    // Every other one was aborted, and each builds on the one two before.
    const slices = Array.from({ length: count }, (_, i) =>
      slice({ stream: 1, lsn: i + 1, writes: [[i % 2, i < 2 ? v(0, 0) : v(1, i - 1)]] }),
    );
    const aborts = Array.from({ length: count / 2 }, (_, i) => 2 * (i + 1));
    s.append(slices, { decisions: decided(0, count, aborts) });
    const looks = vi.spyOn(StreamLog.prototype, "decisionOf");
    s.crash();
    expect(looks.mock.calls.length).toBeLessThan(20 * count);
    looks.mockRestore();
  });
});
