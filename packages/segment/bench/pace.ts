/**
 * The pace of the machine: slices a second through `receive`, the effects and the ticks, without a log or a network.
 *
 *     npx tsx --conditions=source packages/segment/bench/pace.ts
 */
import { assert, lsn, nodeName, NONE, pageId, type Slice } from "@sixfold/model";
import type { Append } from "@sixfold/wire";
import { SegmentServer } from "../src/segment-server.ts";
import { decided, GEOMETRY, PG, point, slice, v } from "../src/testing/bench-segment.ts";

const BATCH = 32;

/** One template: only pages and positions differ, so that building slices costs next to nothing. */
function batchesOf(stream: number, count: number, pages: number): Slice[][] {
  const template = slice({ stream, lsn: 1, writes: [[0, NONE]] });
  return Array.from({ length: count }, (_, b) =>
    Array.from({ length: BATCH }, (_, i) => {
      const at = b * BATCH + i + 1;
      const base = at <= pages ? NONE : v(stream, at - pages);
      return {
        ...template,
        lsn: lsn(at),
        back: lsn(at - 1),
        deltas: template.deltas.map((d) => ({ ...d, page: pageId(at % pages), base })),
      };
    }),
  );
}

function run(exclusive: boolean, count: number): { perSecond: number; scl: number } {
  const server = new SegmentServer({
    name: nodeName("segment-a1"),
    pages: { get: () => undefined, pages: () => [], count: () => 0 },
    settings: { geometry: GEOMETRY, mergeAboveBytes: Number.POSITIVE_INFINITY },
  });
  server.peerUp({ link: 1, role: "node", name: nodeName("writer-1") }, 0);
  const stream = slice({ stream: 1, lsn: 1 }).stream;
  const messages: Append[] = batchesOf(1, count, 200).map((slices, b) => ({
    type: "append",
    pg: PG,
    stream,
    exclusive,
    decisions: decided(0, Math.max(0, (b - 4) * BATCH)),
    lowWater: point(),
    builtOn: point(),
    slices,
  }));
  let scl = 0;
  const start = performance.now();
  for (const [i, message] of messages.entries()) {
    server.receive(1, message, i);
    if (i % 64 === 63) server.tick(i * 20);
    for (const effect of server.effects.splice(0))
      if (effect.kind === "persist")
        for (const then of effect.then)
          if (then.kind === "send" && then.message.type === "ack") scl = then.message.scl;
  }
  const seconds = (performance.now() - start) / 1000;
  return { perSecond: Math.round((count * BATCH) / seconds), scl };
}

for (const [what, exclusive] of [
  ["exclusive appends", true],
  ["shared votes", false],
] as const) {
  run(exclusive, 2000);
  const count = 8000;
  const { perSecond, scl } = run(exclusive, count);
  assert(scl === count * BATCH, "every slice was acknowledged");
  console.log(`${what}, batches of ${BATCH}: ${perSecond.toLocaleString("en")} slices/s`);
}
