/** States as lines: what a segment's log says, what the manifest seats hold, where a node stands. */
import type { Manifest } from "@sixfold/model";
import type { LogRecord } from "@sixfold/wire";
import type { NodeProcess } from "./node-process.ts";
import type { SegmentProcess } from "./segment-process.ts";
import { showDecisions, showManifest, showVote } from "./show-message.ts";
import type { World } from "./world.ts";

export function showPosition(node: NodeProcess): string {
  if (node.machine === undefined) return `${node.name} is down`;
  const { state, ready, stream, durable } = node.machine.status();
  const writes = stream === 0 ? "" : `, writes stream ${String(stream)}, durable ${String(durable)}`;
  return `${node.name} is ${String(state)}${ready === true ? "" : ", not ready"}${writes}`;
}

/** What of slices, votes and decisions a restart would find: read from the bytes, not asked of the machine. */
export function showLog(segment: SegmentProcess): string[] {
  const lines: string[] = [];
  for (const record of segment.disk.read().blocks.flat()) {
    const line = showRecord(record);
    if (line !== undefined) lines.push(`${segment.name} log: ${line}`);
  }
  return lines;
}

function showRecord(r: LogRecord): string | undefined {
  switch (r.kind) {
    case "slices": {
      const votes = new Map(r.votes.map(({ lsn, vote }) => [lsn, vote]));
      const slices = r.slices.map(
        (s) => `${s.lsn} ${r.exclusive ? "taken" : showVote(votes.get(s.lsn) ?? { kind: "accept" })}`,
      );
      return `pg${r.pg} s${r.stream} slices ${slices.join(", ")}`;
    }
    case "votes":
      return `pg${r.pg} s${r.stream} votes ${r.votes.map(({ lsn, vote }) => `${lsn} ${showVote(vote)}`).join(", ")}`;
    case "decisions":
      return `pg${r.pg} s${r.stream}${showDecisions(r.decisions)}`;
    case "outcomes":
      return `pg${r.pg} outcomes ${r.outcomes.map((o) => `${o.stream}:${o.lsn} ${o.decision}`).join(", ")}`;
    case "fence":
      return `pg${r.pg} s${r.stream} fence`;
    case "close":
      return `pg${r.pg} s${r.stream} close final ${r.final} tail ${r.tail}${showDecisions(r.decisions)}`;
    case "newcomer":
      return `pg${r.pg} newcomer${r.isWhole ? ", whole" : ""}`;
    case "left":
      return `pg${r.pg} left`;
    case "seat":
    case "checkpoint":
      return undefined;
  }
}

/** Every manifest that any seat has accepted. */
function manifestsIn(world: World): Manifest[] {
  const found: Manifest[] = [];
  for (const segment of world.segments.values())
    for (const record of segment.disk.read().blocks.flat())
      if (record.kind === "seat" && record.accepted !== undefined) found.push(record.accepted.value);
  return found;
}

/** The newest of them; for a world at rest that is the manifest. */
export function manifestIn(world: World): Manifest | undefined {
  return manifestsIn(world).reduce<Manifest | undefined>(
    (a, b) => (a === undefined || b.revision > a.revision ? b : a),
    undefined,
  );
}

/** Where the manifest has closed this stream, though it may have left it since; undefined while it is open. */
export function finalOf(world: World, stream: number): number | undefined {
  for (const manifest of manifestsIn(world)) {
    const state = manifest.streams.find((s) => s.id === stream);
    if (state?.state === "closed") return state.final;
  }
  return undefined;
}

export function showManifestOf(world: World): string {
  const manifest = manifestIn(world);
  return manifest === undefined ? "no manifest" : `manifest: ${showManifest(manifest)}`;
}
