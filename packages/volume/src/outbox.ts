/**
 * What all parts of the volume share towards the outside: the effects, which servers have a link, request numbers.
 *
 * A message to a server without a link is not produced at all; whoever sent it asks again when the
 * server comes up or its patience ends. So nothing queues for the dead (I10).
 */
import type { NodeName } from "@sixfold/model";
import type { StorageMessage } from "@sixfold/wire";
import type { VolumeEffect } from "./volume-api.ts";

export class Outbox {
  readonly effects: VolumeEffect[] = [];
  private readonly up = new Set<NodeName>();
  private lastRequest = 0;

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

  log(level: "info" | "warn" | "error", event: string, fields: Readonly<Record<string, unknown>>): void {
    this.effects.push({ kind: "log", level, event, fields });
  }
}
