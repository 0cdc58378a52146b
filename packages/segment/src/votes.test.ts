import { describe, expect, test } from "vitest";
import { NONE } from "@sixfold/model";
import { BenchSegment, decided, point, slice, v } from "./testing/bench-segment.ts";

const P = 5;
const Q = 6;
const first = (stream: number, page = P) => slice({ stream, lsn: 1, writes: [[page, NONE]] });

describe("votes", () => {
  test("accept: the base is the newest version, own undecided deltas included", () => {
    const s = new BenchSegment();
    const [ack] = s.append([first(1), slice({ stream: 1, lsn: 2, writes: [[P, v(1, 1)]] })]);
    expect(ack).toMatchObject({ scl: 2, acceptedFrom: 0, votes: [], state: "ok" });
  });

  test("wait: another stream's claim is in the way, and its writer hears of it", () => {
    const s = new BenchSegment();
    s.append([first(1)]);
    const acks = s.append([first(2)]);
    expect(acks.find((a) => a.stream === 2)?.votes).toEqual([
      { lsn: 1, vote: { kind: "wait", page: P, blocker: { stream: 1, lsn: 1 } } },
    ]);
    expect(acks.find((a) => a.stream === 1)?.waiting).toEqual([{ stream: 2, lsn: 1, page: P }]);
  });

  test("the waiter is rejected when the blocker commits, and accepted when it aborts", () => {
    const won = new BenchSegment();
    won.append([first(1)]);
    won.append([first(2)]);
    const acks = won.decide(1, decided(0, 1));
    expect(acks.find((a) => a.stream === 2)?.votes[0]?.vote).toMatchObject({
      kind: "reject",
      winner: { stream: 1, lsn: 1 },
    });
    const lost = new BenchSegment();
    lost.append([first(1)]);
    lost.append([first(2)]);
    expect(lost.decide(1, decided(0, 1, [1])).find((a) => a.stream === 2)?.votes).toEqual([
      { lsn: 1, vote: { kind: "accept" } },
    ]);
  });

  test("I2: what lies in the gap below a committed version is not rejected by it: it may be committed itself", () => {
    const s = new BenchSegment();
    s.append([first(1)]);
    s.append([slice({ stream: 2, lsn: 1, writes: [[P, v(1, 2)]] })]);
    // Stream 1 was recovered; 1:2 on 1:1 has not come here. Its zombie would tell its client that 1:1 aborted.
    expect(s.decide(2, decided(0, 1)).flatMap((ack) => ack.votes)).toEqual([]);
    s.append([slice({ stream: 1, lsn: 2, writes: [[P, v(1, 1)]] })]);
    expect([s.vote(1, 1), s.vote(1, 2)]).toEqual(["accept", "accept"]);
    expect(s.read(P, point([1, 2], [2, 1]), [[2, 1]])).toMatchObject({ kind: "page", version: v(2, 1) });
  });

  const releasedBesideLater = (planted: readonly "later-own-claim-ignored"[]) => {
    const s = new BenchSegment({ planted });
    s.append([first(1)], { decisions: decided(0, 1) });
    // 1:3 builds on 1:2 on another page, whose base is not here; its writer gave both up and built 1:4 in the place of 1:3.
    s.append([
      slice({ stream: 1, lsn: 2, writes: [[Q, v(2, 1)]] }),
      slice({
        stream: 1,
        lsn: 3,
        writes: [
          [P, v(1, 1)],
          [Q, v(1, 2)],
        ],
      }),
      slice({ stream: 1, lsn: 4, writes: [[P, v(1, 1)]] }),
    ]);
    expect([s.vote(1, 2), s.vote(1, 3), s.vote(1, 4)]).toEqual(["hold", "hold", "accept"]);
    s.append([slice({ stream: 2, lsn: 1, writes: [[Q, NONE]] })], { decisions: decided(0, 1) });
    return [s.vote(1, 2), s.vote(1, 3), s.vote(1, 4)];
  };
  test("I3: an entry that was on hold is not accepted beside a later one of its stream on the same base", () => {
    expect(releasedBesideLater([])).toEqual(["accept", "hold", "accept"]);
    expect(releasedBesideLater(["later-own-claim-ignored"])).toEqual(["accept", "accept", "accept"]);
  });

  test("I2: a check is not overtaken by what its own stream changed after it: it was decided before, and may be committed", () => {
    const checked = (planted: readonly "own-change-overtakes-check"[]) => {
      const s = new BenchSegment({ planted });
      s.append([slice({ stream: 1, lsn: 1, writes: [[Q, NONE]] })], { decisions: decided(0, 1) });
      s.append([slice({ stream: 1, lsn: 2, writes: [[P, NONE]], checks: [[Q, v(1, 1)]] })]);
      s.append([slice({ stream: 1, lsn: 3, writes: [[Q, v(1, 1)]] })]);
      // Says that 1:3 is committed; the decisions of its writer are yet to come.
      s.append([slice({ stream: 2, lsn: 1, writes: [[Q, v(1, 3)]] })]);
      return [s.vote(1, 2), s.vote(2, 1)];
    };
    expect(checked([])).toEqual(["accept", "wait 1:2"]);
    expect(checked(["own-change-overtakes-check"])[0]).toMatch("reject");
  });

  const builtOnOvertaken = (planted: readonly "overtaken-check-dooms"[]) => {
    const s = new BenchSegment({ planted });
    s.append([slice({ stream: 1, lsn: 1, writes: [[Q, NONE]] })], { decisions: decided(0, 1) });
    // 1:2 checked Q and was committed, which is not known here; then 2:1 changed Q.
    s.append([slice({ stream: 1, lsn: 2, writes: [[P, NONE]], checks: [[Q, v(1, 1)]] })]);
    s.append([slice({ stream: 2, lsn: 1, writes: [[Q, v(1, 1)]] })]);
    s.decide(2, decided(0, 1));
    s.append([slice({ stream: 1, lsn: 3, writes: [[P, v(1, 2)]], ownBases: [2] })]);
    const before = s.vote(1, 3);
    s.decide(1, decided(1, 2));
    return [before, s.vote(1, 3)];
  };
  test("I2: what builds on an entry is not rejected because a page that the entry checked was changed since: it may be committed", () => {
    expect(builtOnOvertaken([])).toEqual(["hold", "accept"]);
    expect(builtOnOvertaken(["overtaken-check-dooms"])[0]).toMatch("reject");
  });

  test("I2: nothing is rejected on account of a version whose commit is just being carried out", () => {
    const s = new BenchSegment();
    s.append([slice({ stream: 4, lsn: 1, writes: [[Q, NONE]] })], { decisions: decided(0, 1) });
    s.append([
      slice({
        stream: 3,
        lsn: 1,
        writes: [
          [P, NONE],
          [Q, v(4, 1)],
        ],
      }),
    ]);
    s.append([slice({ stream: 3, lsn: 2, writes: [[Q, v(3, 1)]] })]);
    // Between 3:2 and 3:3 lies 2:5, which is not here.
    s.append([
      slice({
        stream: 3,
        lsn: 3,
        writes: [
          [P, v(3, 1)],
          [Q, v(2, 5)],
        ],
      }),
    ]);
    // Says that 3:3 is committed: that 3:1 is follows on the first page, and is carried out after the second was looked at.
    s.append([slice({ stream: 1, lsn: 1, writes: [[P, v(3, 3)]] })]);
    expect(s.vote(3, 2)).toBe("accept");
  });

  test("waiters are served in order of arrival", () => {
    const s = new BenchSegment();
    s.append([first(1)]);
    s.append([first(3)]);
    s.append([first(2)]);
    s.decide(1, decided(0, 1, [1]));
    expect([s.vote(3, 1), s.vote(2, 1)]).toEqual(["accept", "wait 3:1"]);
  });

  const sticky = (planted: readonly "votes-not-sticky"[]) => {
    const s = new BenchSegment({ planted });
    s.append([first(1)]);
    s.append([first(2)]);
    return [s.vote(1, 1), s.vote(2, 1)].filter((x) => x === "accept").length;
  };
  test("I3: an accept is sticky, two rivals are never both accepted; the planted break shows", () => {
    expect(sticky([])).toBe(1);
    expect(sticky(["votes-not-sticky"])).toBe(2);
  });

  test("read checks share their claim with each other, not with a delta", () => {
    const s = new BenchSegment();
    s.append([slice({ stream: 1, lsn: 1, checks: [[P, NONE]], writes: [[Q, NONE]] })]);
    s.append([slice({ stream: 2, lsn: 1, checks: [[P, NONE]], writes: [[7, NONE]] })]);
    s.append([slice({ stream: 3, lsn: 1, writes: [[P, NONE]] })]);
    expect([s.vote(1, 1), s.vote(2, 1), s.vote(3, 1)]).toEqual(["accept", "accept", "wait 1:1"]);
  });

  test("a read check keeps writers off its page (write skew); without read claims both would be accepted", () => {
    const skew = (planted: readonly "no-read-claims"[]) => {
      const s = new BenchSegment({ planted });
      s.append([slice({ stream: 1, lsn: 1, checks: [[P, NONE]], writes: [[Q, NONE]] })]);
      s.append([slice({ stream: 2, lsn: 1, writes: [[P, NONE]] })]);
      return s.vote(2, 1);
    };
    expect(skew([])).toBe("wait 1:1");
    expect(skew(["no-read-claims"])).toBe("accept");
  });

  test("void: an own base was aborted, also one whose rows were only read, and what was built on the void", () => {
    const s = new BenchSegment();
    s.append([
      first(1),
      slice({ stream: 1, lsn: 2, ownBases: [1], writes: [[Q, NONE]] }),
      slice({ stream: 1, lsn: 3, writes: [[Q, v(1, 2)]] }),
    ]);
    const [ack] = s.decide(1, decided(0, 0, [], [1]));
    expect(ack?.votes.map((x) => x.vote.kind)).toEqual(["void", "void"]);
    expect(ack).toMatchObject({ decidedThrough: 1, abortsKnown: [] });
    s.append([slice({ stream: 1, lsn: 4, writes: [[P, v(1, 1)]] })]);
    expect(s.vote(1, 4)).toBe("void 1");
    const broken = new BenchSegment({ planted: ["no-void"] });
    broken.append([first(1), slice({ stream: 1, lsn: 2, ownBases: [1], writes: [[Q, NONE]] })]);
    broken.decide(1, decided(0, 0, [], [1]));
    expect(broken.vote(1, 2)).toBe("accept");
  });

  test("hold: a foreign base is not here yet; it is learned to be committed", () => {
    const s = new BenchSegment();
    s.append([slice({ stream: 2, lsn: 1, writes: [[P, v(1, 1)]] })]);
    expect(s.vote(2, 1)).toBe("hold");
    const acks = s.append([first(1)]);
    expect(acks.find((a) => a.stream === 2)?.votes).toEqual([{ lsn: 1, vote: { kind: "accept" } }]);
    expect(acks.find((a) => a.stream === 1)?.decidedThrough).toBe(1);
  });

  test("a base of the own stream is never taken for committed; planted, it is", () => {
    const decisions = (planted: readonly "own-base-learned"[]) => {
      const s = new BenchSegment({ planted });
      const [ack] = s.append([first(1), slice({ stream: 1, lsn: 2, writes: [[P, v(1, 1)]] })]);
      return ack?.decidedThrough;
    };
    expect(decisions([])).toBe(0);
    expect(decisions(["own-base-learned"])).toBe(1);
  });

  test("hold: an own undecided delta on the page is no ancestor of the base", () => {
    const s = new BenchSegment();
    s.append([first(1), slice({ stream: 1, lsn: 2, writes: [[P, NONE]] })]);
    expect(s.vote(1, 2)).toBe("hold");
    s.decide(1, decided(0, 0, [], [1]));
    expect(s.vote(1, 2)).toBe("accept");
  });

  test("reject: a committed rival, and an overtaken base, name the winner; merged versions are known too", () => {
    const s = new BenchSegment();
    s.append([first(1), slice({ stream: 1, lsn: 2, writes: [[P, v(1, 1)]] })], { decisions: decided(0, 2) });
    s.append([slice({ stream: 2, lsn: 1, writes: [[P, v(1, 1)]] })]);
    expect(s.vote(2, 1)).toBe("reject 1:2");
    s.append([slice({ stream: 2, lsn: 2, writes: [[P, v(1, 2)]] })]);
    expect(s.vote(2, 2)).toBe("accept");
  });

  test("commit: a rival's accept falls, with what was built on it; planted, it stays", () => {
    const run = (planted: readonly "rivals-kept"[]) => {
      const s = new BenchSegment({ planted });
      s.append([first(2), slice({ stream: 2, lsn: 2, writes: [[P, v(2, 1)]] })]);
      s.append([first(1)], { decisions: decided(0, 1) });
      return [s.vote(2, 1), s.vote(2, 2), s.vote(1, 1)];
    };
    expect(run([])).toEqual(["reject 1:1", "reject 1:1", "accept"]);
    expect(run(["rivals-kept"])).toEqual(["accept", "accept", "accept"]);
  });

  test("a fenced stream's waiter is not voted on again; planted, it is", () => {
    const run = (planted: readonly "fenced-revote"[]) => {
      const s = new BenchSegment({ planted });
      s.append([first(1)]);
      s.append([first(2)]);
      s.fence(2);
      s.decide(1, decided(0, 1, [1]));
      return s.vote(2, 1);
    };
    expect(run([])).toBe("wait 1:1");
    expect(run(["fenced-revote"])).toBe("accept");
  });
});
