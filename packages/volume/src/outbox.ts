/**
 * What all parts of the volume share towards the outside: the effects, which servers have a link, request numbers.
 *
 * A message to a server without a link is not produced at all; whoever sent it asks again when the
 * server comes up or its patience ends. So nothing queues for the dead (I10).
 */
import { isNone, type DecidedBy, type Lsn, type NodeName, type StreamId, type Trace } from "@sixfold/model";
import type { StorageMessage } from "@sixfold/wire";
import type { AbortCause, VolumeEffect } from "./volume-api.ts";

export class Outbox {
  readonly effects: VolumeEffect[] = [];
  /** Hears each step of the protocol, if anybody listens. */
  readonly trace: Trace | undefined;
  private readonly up = new Set<NodeName>();
  private lastRequest = 0;

  constructor(trace?: Trace) {
    this.trace = trace;
  }

  linkUp(server: NodeName): void {
    this.up.add(server);
  }

  linkDown(server: NodeName): void {
    this.up.delete(server);
  }

  isUp(server: NodeName): boolean {
    return this.up.has(server);
  }

  /** Ascending over the life of the volume object, so that answers to an abandoned round can be told by their number. */
  nextRequest(): number {
    return ++this.lastRequest;
  }

  /** False if there is no link. */
  send(to: NodeName, message: StorageMessage): boolean {
    if (!this.up.has(to)) return false;
    this.effects.push({ kind: "send", to, message });
    return true;
  }

  /** An own entry is committed: clients may hear it from now on. */
  committed(stream: StreamId, lsn: Lsn, by: DecidedBy): void {
    this.effects.push({ kind: "decided", lsn, decision: "commit", cause: undefined });
    if (this.trace === undefined) return;
    this.trace({ kind: "decided", stream, lsn, decision: "commit", by });
    this.trace({ kind: "told", stream, lsn, decision: "commit" });
  }

  /** An own entry is aborted; whether clients may hear it is said by `told`. */
  aborted(stream: StreamId, lsn: Lsn, cause: AbortCause): void {
    this.effects.push({ kind: "decided", lsn, decision: "abort", cause });
    if (this.trace === undefined) return;
    const winner = cause.winner === undefined || isNone(cause.winner) ? undefined : cause.winner;
    this.trace({ kind: "decided", stream, lsn, decision: "abort", by: cause.by, winner });
  }

  told(stream: StreamId, lsn: Lsn): void {
    this.effects.push({ kind: "told", lsn });
    this.trace?.({ kind: "told", stream, lsn, decision: "abort" });
  }

  log(level: "info" | "warn" | "error", event: string, fields: Readonly<Record<string, unknown>>): void {
    this.effects.push({ kind: "log", level, event, fields });
  }
}
