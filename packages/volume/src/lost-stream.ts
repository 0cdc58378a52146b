/**
 * What a writer may still say of its in-flight entries once a recovery has closed its stream (DESIGN section 7).
 *
 *     beyond the final LSN                              aborted: it never existed
 *     listed in the manifest                            as listed
 *     not listed, but others of the stream are          committed: the list names every abort
 *     nothing of the stream is listed any more,         unknown: the outcomes have left the manifest;
 *     or it is settled                                  storage can still tell (`findTransaction`)
 */
import type { ClosedStream, Lsn, Manifest } from "@sixfold/model";
import type { InFlight } from "./in-flight.ts";
import type { Outbox } from "./outbox.ts";

/** Emits `decided` and `told` for every undecided entry whose outcome is known, commits in LSN order; returns the others. */
export function settleLostStream(
  out: Outbox,
  inFlight: InFlight,
  closed: ClosedStream | undefined,
  manifest: Manifest,
  untold: ReadonlyMap<Lsn, unknown>,
): Lsn[] {
  const listed = new Map<Lsn, "commit" | "abort">();
  for (const o of manifest.outcomes) if (o.stream === closed?.id) listed.set(o.lsn, o.decision);
  const unknown: Lsn[] = [];
  for (let e = inFlight.peek(); e !== undefined; e = inFlight.peek()) {
    inFlight.shift();
    const decision =
      closed !== undefined && e.lsn > closed.final
        ? "abort"
        : (listed.get(e.lsn) ?? (e.state === "manifest" || listed.size > 0 ? "commit" : undefined));
    if (e.state === "aborted") {
      // After a yield the recovery may have come to the other end; then the client never hears of the abort.
      if (decision === "abort" && untold.has(e.lsn)) out.effects.push({ kind: "told", lsn: e.lsn });
      continue;
    }
    if (decision === undefined) {
      unknown.push(e.lsn);
      continue;
    }
    // The manifest's word is durable and final: a client may hear it at once.
    const cause = decision === "abort" ? ({ phase: "recovery" } as const) : undefined;
    out.effects.push({ kind: "decided", lsn: e.lsn, decision, cause });
    if (decision === "abort") out.effects.push({ kind: "told", lsn: e.lsn });
  }
  return unknown;
}
