/**
 * What a writer may still say of its in-flight entries once a recovery has closed its stream (DESIGN section 7).
 *
 *     beyond the final LSN                              aborted: it never existed
 *     listed in the manifest                            as listed
 *     not listed, but others of the stream are          committed: the list names every abort
 *
 * A commit that is the recovery's own judgement may be on two segments only until gossip has spread it, so it is not told
 * here (I1): the client asks for the outcome, and hears of it once four of six are complete. Unknown stay, too, entries of which
 *     nothing of the stream is listed any more, or it is settled: the outcomes have left the manifest
 */
import type { ClosedStream, Lsn, Manifest, PlantedBugs, StreamId } from "@sixfold/model";
import type { InFlight } from "./in-flight.ts";
import type { Outbox } from "./outbox.ts";

/** Emits `decided` and `told` for every undecided entry whose outcome may be told, commits in LSN order; returns the others. */
export function settleLostStream(
  out: Outbox,
  stream: StreamId,
  inFlight: InFlight,
  closed: ClosedStream | undefined,
  manifest: Manifest,
  untold: ReadonlyMap<Lsn, unknown>,
  planted: PlantedBugs,
): Lsn[] {
  const listed = new Map<Lsn, "commit" | "abort">();
  for (const o of manifest.outcomes) if (o.stream === closed?.id) listed.set(o.lsn, o.decision);
  const unknown: Lsn[] = [];
  for (let e = inFlight.peek(); e !== undefined; e = inFlight.peek()) {
    inFlight.shift();
    if (e.state === "committed") continue;
    let decision =
      closed !== undefined && e.lsn > closed.final
        ? "abort"
        : (listed.get(e.lsn) ?? (e.state === "manifest" || listed.size > 0 ? "commit" : undefined));
    if (decision === undefined && planted.has("lost-entries-guessed-aborted")) decision = "abort";
    if (e.state === "aborted") {
      // After a yield the recovery may have come to the other end; then the client never hears of the abort.
      if (decision === "abort" && untold.has(e.lsn)) out.told(stream, e.lsn);
      continue;
    }
    const isSafe = e.state === "manifest" || planted.has("recovered-commit-told-early");
    if (decision === undefined || (decision === "commit" && !isSafe)) {
      unknown.push(e.lsn);
      continue;
    }
    // The manifest's word is durable and final: a client may hear it at once.
    if (decision === "commit") out.committed(stream, e.lsn, e.state === "manifest" ? "manifest" : "recovery");
    else {
      out.aborted(stream, e.lsn, { phase: "recovery", by: "recovery" });
      out.told(stream, e.lsn);
    }
  }
  return unknown;
}
