/** What a writer does with entries on their way while a PG's members change (DESIGN section 7, "Membership"). */
import {
  epoch,
  lsn,
  NO_BUGS,
  nodeName,
  pgId,
  streamId,
  type Lsn,
  type Manifest,
  type NodeName,
} from "@sixfold/model";
import { expect, test } from "vitest";
import { Outbox } from "./outbox.ts";
import { DEFAULT_VOLUME_SETTINGS } from "./settings.ts";
import { StreamWriter } from "./stream-writer.ts";
import { TailHistory } from "./tails.ts";
import { delta, EMPTY_POINT, entry, GEOMETRY } from "./test-kit/test-cluster.ts";

const OLD = ["a1", "a2", "b1", "b2", "c1", "c2"].map(nodeName);
const NEW = ["a3", "a2", "b1", "b2", "c1", "c2"].map(nodeName);
const STREAM = streamId(1);

const middle: Manifest = {
  ...{ volume: "v", revision: 2, epoch: epoch(2), mode: "single", nextMode: "single", geometry: GEOMETRY },
  servers: [...OLD, nodeName("a3")].map((name) => ({ name, az: name.slice(0, 1), url: "ws://x" })),
  ...{ nodes: [], seats: OLD, nextSeats: [], pgs: [OLD] },
  changes: [{ pg: pgId(0), to: NEW, since: epoch(2) }],
  ...{ nextStream: streamId(2), settledThrough: streamId(0), outcomes: [] },
  streams: [{ state: "open", id: STREAM, node: nodeName("w1"), exclusive: true, epoch: epoch(1) }],
};
const takenBack: Manifest = { ...middle, revision: 3, epoch: epoch(3), changes: [] };

test("batches that waited for the new six alone are done when the change is taken back: nobody acknowledges them again", () => {
  const out = new Outbox();
  const writer = new StreamWriter({
    ...{ out, settings: DEFAULT_VOLUME_SETTINGS, stream: STREAM, exclusive: true, manifest: middle },
    ...{ tails: new TailHistory(), planted: NO_BUGS },
  });
  const ack = (from: NodeName, scl: Lsn): void =>
    writer.onAck(
      from,
      {
        ...{ type: "ack", pg: pgId(0), stream: STREAM, scl, acceptedFrom: lsn(0), votes: [] },
        ...{ decidedThrough: lsn(0), abortsKnown: [], waiting: [], state: "ok" },
      },
      0,
    );
  const write = (at: number): void => {
    writer.submit(entry(1, at, [delta(2 + at)]), 0);
    writer.flush(EMPTY_POINT, EMPTY_POINT, 0);
  };
  for (const name of OLD) {
    out.linkUp(name);
    writer.serverUp(name, 0);
    ack(name, lsn(0));
  }
  write(1);
  write(2);
  for (const name of ["a1", "a2", "b1", "c1"].map(nodeName)) ack(name, lsn(2));
  expect(writer.durable, "three of the new six").toBe(0);
  writer.learnManifest(takenBack, 0);
  expect(writer.durable).toBe(2);
  out.effects.length = 0;
  write(3);
  const sent = out.effects.flatMap((e) => (e.kind === "append" ? e.message.slices.map((s) => s.lsn) : []));
  expect(sent).toEqual([3]);
});
