import { Engine } from "@sixfold/engine";
import { lsn, NO_BUGS, ReadPoint, streamId, transactionId, type PlantedBug } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { ClusterSnapshots } from "./cluster-snapshots.ts";

const A = streamId(1);
const B = streamId(2);

function world(planted: readonly PlantedBug[] = []) {
  const geometry = { pageBytes: 4096, segmentBytes: 64 * 4096 };
  const engine = new Engine({ geometry, poolPages: 8, conflicts: "row", seed: 1 });
  let question = 0;
  const snapshots = new ClusterSnapshots(
    {
      engine,
      shows: (point) => point.isAtMost(engine.applied),
      askSequencer: () => ++question,
    },
    planted.length === 0 ? NO_BUGS : new Set(planted),
  );
  const began: string[] = [];
  return {
    engine,
    snapshots,
    began,
    begin: (name: string) =>
      snapshots.begin((view) => void began.push(`${name} ${view?.readPoint.toString() ?? "newest"}`)),
    show: (stream: typeof A, to: number) => {
      engine.advance(stream, lsn(to), 0);
      snapshots.advance();
    },
    answer: (request: number, ...at: [typeof A, number][]) => {
      const point = new ReadPoint(
        streamId(0),
        at.map(([stream, to]) => [stream, lsn(to)] as const),
      );
      snapshots.answered(request, point);
      snapshots.advance();
    },
    get question() {
      return question;
    },
  };
}

describe("cluster snapshots", () => {
  test("begin at the sequencer's point once it is shown, whatever else is shown by then", () => {
    const w = world();
    w.begin("a");
    w.show(B, 7);
    w.answer(1, [A, 2]);
    expect(w.began).toEqual([]);
    w.show(A, 3);
    expect(w.began).toEqual(["a {1:2}"]);
  });

  test("planted break: at what is shown by then", () => {
    const w = world(["cluster-snapshot-unordered"]);
    w.begin("a");
    w.answer(1);
    expect(w.began).toEqual(["a newest"]);
  });

  test("what the point needs is kept from before the question until its last reader has ended", () => {
    const w = world();
    const tx = {
      id: transactionId("1-reader"),
      isolation: "snapshot",
      consistency: "cluster",
      began: false,
    } as const;
    w.show(A, 1);
    w.snapshots.begin((view) => w.engine.get(1, { tx, view, table: "t", keys: [], forUpdate: false }, 0));
    w.show(A, 5);
    w.show(B, 5);
    expect(w.engine.oldestReadPoint().toString()).toBe("{1:1}");
    w.answer(1, [B, 5]);
    w.show(B, 9);
    expect(w.engine.oldestReadPoint().toString(), "what the reader's point rests on").toBe("{1:1}");
    w.engine.rollback(2, tx.id, 0);
    expect(w.engine.oldestReadPoint().toString()).toBe("{1:5 2:9}");
  });

  test("what this node showed before the question belongs to the point", () => {
    const w = world();
    w.show(A, 3);
    w.begin("a");
    // An end that a writer had counted further than its close: only aborts lie between.
    w.answer(1, [A, 2]);
    expect(w.began).toEqual(["a {1:3}"]);
  });

  test("those that begin during a question share the next, and an old answer is none to it", () => {
    const w = world();
    w.begin("a");
    w.begin("b");
    w.begin("c");
    w.answer(1);
    expect(w.began).toEqual(["a {}"]);
    expect(w.question).toBe(2);
    w.answer(1);
    expect(w.began).toEqual(["a {}"]);
    w.answer(2);
    expect(w.began.slice(1)).toEqual(["b {}", "c {}"]);
    expect(w.question, "nobody waits, nothing is asked").toBe(2);
  });

  test("the question is asked again while no answer comes; any of the answers will do", () => {
    const w = world();
    w.begin("a");
    w.snapshots.tick(0);
    w.snapshots.tick(50);
    expect(w.question).toBe(1);
    w.snapshots.tick(100);
    expect(w.question).toBe(2);
    w.snapshots.askAgain();
    expect(w.question).toBe(3);
    w.answer(2, [A, 1]);
    w.snapshots.askAgain();
    w.snapshots.tick(1000);
    expect(w.question, "it is answered, and waits to be shown").toBe(3);
    w.show(A, 1);
    expect(w.began).toEqual(["a {1:1}"]);
  });
});
