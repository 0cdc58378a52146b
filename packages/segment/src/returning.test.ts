import { describe, expect, test, vi } from "vitest";
import { PageChain } from "./page-chain.ts";
import { BenchSegment, decided, KEEP, point, slice, v } from "./testing/bench-segment.ts";

describe("a segment that was away", () => {
  test("takes what two masters did to one page in turns, one stream after the other, with a few looks at each", () => {
    const s = new BenchSegment({ settings: KEEP });
    const count = 1000;
    // 1:1 ── 2:1 ── 1:2 ── 2:2 ── …
    const of = (stream: number) =>
      Array.from({ length: count }, (_, i) =>
        slice({ stream, lsn: i + 1, writes: [[1, stream === 1 ? v(i === 0 ? 0 : 2, i) : v(1, i + 1)]] }),
      );
    const looks = vi.spyOn(PageChain.prototype, "indexOf");
    s.append(of(1), { decisions: decided(0, count) });
    s.append(of(2), { decisions: decided(0, count) });
    expect(looks.mock.calls.length).toBeLessThan(10 * count);
    looks.mockRestore();
    expect(s.said).not.toContain("fork");
    expect(s.read(1, point([1, count], [2, count]))).toMatchObject({ version: v(2, count) });
  });
});
