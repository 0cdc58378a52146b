/** When decisions go in frames of their own, each of which costs every segment a sync (DESIGN section 6). */
import { describe, expect, test } from "vitest";
import { lsn } from "@sixfold/model";
import { at, delta, entry, openCluster, SERVERS, type TestCluster } from "./test-kit/test-cluster.ts";

const DELAY_MS = 3;
const SEGMENT = SERVERS[0]!.name;
const PAGE = 4;

const cluster = (): TestCluster =>
  openCluster("multi", ["w1", "w2"], { settings: { decisionDelayMs: DELAY_MS } });

/** Sends an entry of the node's, which all segments take; what they say of it is on its way. */
function send(c: TestCluster, node: "w1" | "w2", n: number, page: number): void {
  c.nodes.get(node)!.volume.submit(entry(node === "w1" ? 1 : 2, n, [delta(page)]), c.now);
  c.flush(node);
  for (const { name } of SERVERS) while (c.deliver(`${node}>${name}`));
}

function hear(c: TestCluster, node: string): void {
  for (const { name } of SERVERS) while (c.deliver(`${name}>${node}`));
}

/** Up to where the decisions reach that are on their way without a slice; undefined if none are. */
function decisionsAlone(c: TestCluster, node: string): number | undefined {
  const queue = c.links.get(`${node}>${SEGMENT}`) ?? [];
  for (const { message: m } of queue)
    if (m.type === "append" && m.slices.length === 0) return m.decisions.through;
  return undefined;
}

/** Aborts that are told ahead of what is before them, in frames without a slice. */
function abortsAlone(c: TestCluster, node: string): readonly number[] {
  const queue = c.links.get(`${node}>${SEGMENT}`) ?? [];
  return queue.flatMap(({ message: m }) =>
    m.type === "append" && m.slices.length === 0 ? m.decisions.earlyAborts : [],
  );
}

describe("decisions that no batch is about to carry", () => {
  test("wait for one for a while", () => {
    const c = cluster();
    send(c, "w1", 1, PAGE);
    hear(c, "w1");
    expect(c.nodes.get("w1")!.decisions().get(lsn(1))).toBe("commit");
    c.tick(DELAY_MS - 1);
    expect(decisionsAlone(c, "w1")).toBeUndefined();
    c.tick(1);
    expect(decisionsAlone(c, "w1")).toBe(1);
  });

  test("go at once if a rival waits for them", () => {
    const c = cluster();
    send(c, "w1", 1, PAGE);
    send(c, "w2", 1, PAGE);
    // Whose ack says that the other waits.
    send(c, "w1", 2, PAGE + 1);
    hear(c, "w1");
    expect(decisionsAlone(c, "w1")).toBe(1);
  });

  test("wait as aborts, too", () => {
    const c = cluster();
    send(c, "w1", 1, PAGE);
    c.nodes.get("w1")!.volume.giveUp(lsn(1), at(2, 1), c.now);
    c.flush("w1");
    expect(decisionsAlone(c, "w1")).toBeUndefined();
    c.tick(DELAY_MS);
    expect(decisionsAlone(c, "w1")).toBe(1);
  });

  test("go at once as aborts that a rival waits for, ahead of what is before them", () => {
    const c = cluster();
    c.nodes.get("w1")!.volume.submit(entry(1, 1, [delta(PAGE + 1)]), c.now);
    send(c, "w1", 2, PAGE);
    send(c, "w2", 1, PAGE);
    send(c, "w1", 3, PAGE + 2);
    while (c.deliver(`${SEGMENT}>w1`));
    expect(abortsAlone(c, "w1")).toEqual([]);
    c.nodes.get("w1")!.volume.giveUp(lsn(2), at(2, 1), c.now);
    c.flush("w1");
    expect(abortsAlone(c, "w1")).toEqual([lsn(2)]);
  });

  test("wait for a batch that gathers", () => {
    const c = openCluster("multi", ["w1"], { settings: { decisionDelayMs: 1, gatherMs: 3 } });
    const { volume } = c.nodes.get("w1")!;
    for (let n = 1; n <= 16; n++) volume.submit(entry(1, n, [delta(n)]), c.now);
    c.flush("w1");
    for (const { name } of SERVERS) while (c.deliver(`w1>${name}`));
    hear(c, "w1");
    send(c, "w1", 17, PAGE);
    c.tick(2);
    expect(decisionsAlone(c, "w1")).toBeUndefined();
    c.tick(1);
    const [frame, ...others] = c.links.get(`w1>${SEGMENT}`)!.map(({ message }) => message);
    expect(frame).toMatchObject({ type: "append", decisions: { through: 16 } });
    expect([frame?.type === "append" && frame.slices.length, others]).toEqual([1, []]);
  });
});
