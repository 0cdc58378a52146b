/** A recovery by a manifest that stands no more: of members that have left since, who answer nothing. */
import {
  epoch,
  lsn,
  NO_BUGS,
  nodeName,
  pgId,
  Random,
  streamId,
  type Lsn,
  type Manifest,
  type NodeName,
} from "@sixfold/model";
import type { Fence, Fenced } from "@sixfold/wire";
import { expect, test } from "vitest";
import { ManifestRegister } from "./manifest-register.ts";
import { Outbox } from "./outbox.ts";
import { Recovery } from "./recovery.ts";
import { DEFAULT_VOLUME_SETTINGS as settings } from "./settings.ts";
import { FakeSeat } from "./test-kit/fake-seat.ts";
import { GEOMETRY } from "./test-kit/test-cluster.ts";

const OLD = ["a1", "a2", "b1", "b2", "c1", "c2"].map(nodeName);
const NEW = ["a1", "a2", "b1", "b3", "c1", "c2"].map(nodeName);
const NAMES = [...OLD, nodeName("b3")];
const SERVERS = NAMES.map((name) => ({ name, az: name.slice(0, 1), url: "ws://x" }));
const STREAM = streamId(1);

/** b2 is being replaced by b3. */
const middle: Manifest = {
  ...{ volume: "v", revision: 2, epoch: epoch(2), mode: "multi", nextMode: "multi", geometry: GEOMETRY },
  ...{ servers: SERVERS, nodes: [], seats: OLD, nextSeats: [], pgs: [OLD] },
  changes: [{ pg: pgId(0), to: NEW, since: epoch(2) }],
  ...{ nextStream: streamId(2), settledThrough: streamId(0), outcomes: [] },
  streams: [{ state: "open", id: STREAM, node: nodeName("w1"), exclusive: false, epoch: epoch(2) }],
};
const finished: Manifest = { ...middle, revision: 3, epoch: epoch(3), pgs: [NEW], changes: [] };

/** All is delivered but to those that are down, and to b2, which has left and keeps nothing of the PG. */
function recovering(down: readonly NodeName[]) {
  let stands = finished;
  const out = new Outbox();
  const seats = new Map(NAMES.map((name) => [name, new FakeSeat()]));
  const register = new ManifestRegister({
    ...{
      out,
      bootstrap: SERVERS,
      proposer: "w2/1",
      settings,
      random: new Random(1),
      learn: (m) => (stands = m),
    },
  });
  const closedAt: (Lsn | undefined)[] = [];
  const recovery = new Recovery({
    ...{ out, settings, register, stream: STREAM, also: undefined, planted: NO_BUGS },
    done: (final) => closedAt.push(final),
  });
  const silent = new Set([...down, nodeName("b2")]);
  for (const name of NAMES) if (!down.includes(name)) out.linkUp(name);
  const nothing = (m: Fence): Fenced => ({
    ...{
      type: "fenced",
      request: m.request,
      pg: m.pg,
      stream: m.stream,
      scl: lsn(0),
      decidedThrough: lsn(0),
    },
    ...{ tail: lsn(0), aborts: [], earlyAborts: [], slices: [], committed: [] },
  });
  const pump = (now: number): void => {
    for (let e = out.effects.shift(); e !== undefined; e = out.effects.shift()) {
      if (e.kind !== "send" || down.includes(e.to)) continue;
      if (e.message.type === "fence") {
        if (!silent.has(e.to)) recovery.onFenced(e.to, nothing(e.message), now);
        continue;
      }
      const answer = seats.get(e.to)!.answer(e.message);
      if (answer?.type === "manifestPromise") register.onPromise(e.to, answer, now);
      else if (answer?.type === "manifestAccepted") register.onAccepted(e.to, answer, now);
    }
  };
  const run = (from: number, to: number): void => {
    for (let now = from; now < to; now += 100) {
      register.tick(now);
      recovery.tick(now);
      pump(now);
    }
  };
  register.change(
    () => finished,
    () => {},
    0,
  );
  pump(0);
  return { recovery, closedAt, run, stands };
}

test("it starts over with the members of a newer manifest, for those that have left will not answer", () => {
  // Four of the new six are left, and three of the old that answer.
  const { recovery, closedAt, run, stands } = recovering(["b1", "c2"].map(nodeName));
  recovery.start(middle, 0);
  run(0, 20_000);
  expect([closedAt, recovery.rounds]).toEqual([[], 1]);
  recovery.learnManifest(stands, 20_000);
  run(20_000, 40_000);
  expect([closedAt, recovery.rounds]).toEqual([[0], 2]);
});

test("it goes on where the members are the same, and is done where another has closed the stream", () => {
  const { recovery, closedAt, run } = recovering(["a1", "b1", "c2"].map(nodeName));
  recovery.start(finished, 0);
  run(0, 1_000);
  recovery.learnManifest({ ...finished, revision: 4 }, 1_000);
  expect([closedAt, recovery.rounds]).toEqual([[], 1]);
  const [open] = finished.streams;
  const closed = { ...open!, state: "closed" as const, final: lsn(7), tails: [lsn(7)] };
  recovery.learnManifest({ ...finished, revision: 5, streams: [closed] } as unknown as Manifest, 1_100);
  expect(recovery.rounds).toBe(2);
});
