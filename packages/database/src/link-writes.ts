/**
 * Writes without an answer, by connection: who asks for little is let in where those who ask for much are refused (engine, `pressure`).
 *
 * A crowded queue would else be drawn by lot: a client that has one request in a second would be refused as often as one that has thousands,
 * and try again with ever longer pauses.
 */
import type { ClientLink } from "./node-api.ts";

/** A connection with fewer asks for little: less than a hundredth of the shortest queue. */
export const MODEST_WRITES = 4;

export class LinkWrites {
  private readonly pending = new Map<ClientLink, number>();

  isModest(link: ClientLink): boolean {
    return (this.pending.get(link) ?? 0) < MODEST_WRITES;
  }

  began(link: ClientLink): void {
    this.pending.set(link, (this.pending.get(link) ?? 0) + 1);
  }

  ended(link: ClientLink): void {
    const left = (this.pending.get(link) ?? 0) - 1;
    if (left > 0) this.pending.set(link, left);
    else this.pending.delete(link);
  }

  closed(link: ClientLink): void {
    this.pending.delete(link);
  }
}
