import { lsn, NO_BUGS, ReadPoint, streamId, type PlantedBug } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { SnapshotSequencer } from "./snapshot-sequencer.ts";

const A = streamId(1);

function world(isExclusive = false, planted: readonly PlantedBug[] = []) {
  const applied = new ReadPoint(streamId(0));
  const rounds: (() => void)[] = [];
  let checks = 0;
  const io = {
    applied,
    isClosed: true,
    isExclusive,
    freshen: (then: () => void) => void rounds.push(then),
    checkManifest: () => void checks++,
  };
  const sequencer = new SnapshotSequencer(io, planted.length === 0 ? NO_BUGS : new Set(planted));
  const answers: string[] = [];
  return {
    io,
    applied,
    sequencer,
    answers,
    ask: (name: string) => sequencer.ask((point) => answers.push(`${name} ${point.toString()}`)),
    /** The round of questions that is under way ends. */
    fresh: () => {
      rounds.shift()!();
      sequencer.advance();
    },
    get checks() {
      return checks;
    },
    get rounds() {
      return rounds.length;
    },
  };
}

describe("the sequencer of cluster snapshots", () => {
  test("looks at the manifest after it took the point, and answers that point, not a newer one", () => {
    const w = world();
    w.ask("a");
    w.applied.advance(A, lsn(3));
    expect(w.checks).toBe(0);
    w.fresh();
    expect([w.checks, w.answers]).toEqual([1, []]);
    w.applied.advance(A, lsn(4));
    w.sequencer.manifestChecked(true);
    expect(w.answers).toEqual(["a {1:3}"]);
  });

  test("a look at the manifest that ended before the point was taken does not count", () => {
    const w = world();
    w.ask("a");
    w.sequencer.manifestChecked(true);
    w.fresh();
    expect(w.answers).toEqual([]);
  });

  test("those who ask during a round share the next", () => {
    const w = world();
    w.ask("a");
    w.ask("b");
    w.ask("c");
    w.fresh();
    w.sequencer.manifestChecked(true);
    expect(w.answers).toEqual(["a {}"]);
    w.applied.advance(A, lsn(1));
    w.fresh();
    w.sequencer.manifestChecked(true);
    expect(w.answers.slice(1)).toEqual(["b {1:1}", "c {1:1}"]);
    expect(w.rounds).toBe(0);
  });

  test("waits until the vector is causally closed (I5)", () => {
    const w = world();
    w.ask("a");
    w.io.isClosed = false;
    w.fresh();
    w.applied.advance(A, lsn(9));
    expect(w.checks).toBe(0);
    w.io.isClosed = true;
    w.sequencer.advance();
    w.sequencer.manifestChecked(true);
    expect(w.answers).toEqual(["a {1:9}"]);
  });

  test("a changed manifest makes the round begin anew: with the newer one, or at the next tick", () => {
    const w = world();
    w.ask("a");
    w.fresh();
    w.sequencer.manifestChecked(false);
    expect([w.answers, w.rounds]).toEqual([[], 0]);
    w.sequencer.tick();
    expect(w.rounds).toBe(1);
    w.sequencer.restart();
    w.applied.advance(A, lsn(2));
    w.fresh(); // the round of before the restart
    expect(w.checks, "its end says nothing of the present one").toBe(1);
    w.fresh();
    w.sequencer.manifestChecked(true);
    expect(w.answers).toEqual(["a {1:2}"]);
  });

  test("one that is the sequencer no more answers nobody", () => {
    const w = world();
    w.ask("a");
    w.fresh();
    w.sequencer.abandon();
    w.sequencer.manifestChecked(true);
    expect(w.answers).toEqual([]);
  });

  test("an exclusive volume needs no second look at the manifest", () => {
    const w = world(true);
    w.ask("a");
    w.fresh();
    expect([w.checks, w.answers]).toEqual([0, ["a {}"]]);
  });

  test("planted breaks: no look at the manifest; a round that has begun is joined", () => {
    const unchecked = world(false, ["cluster-read-unchecked-manifest"]);
    unchecked.ask("a");
    unchecked.fresh();
    expect(unchecked.answers).toEqual(["a {}"]);
    const joining = world(false, ["cluster-read-joins-round"]);
    joining.ask("a");
    joining.ask("b");
    joining.fresh();
    joining.sequencer.manifestChecked(true);
    expect(joining.answers).toEqual(["a {}", "b {}"]);
  });
});
