/**
 * Long work: scans beyond their first slice, and calls of procedures that have read or written many rows before.
 *
 *     turns    | short | send | long | send | short | send | long | send |
 *
 * A procedure cannot be cut, so it gives way: every second turn of the node's is for what is long, while any of it waits. What others
 * have asked for meanwhile is on its way to storage, or answered, before the next long one begins, however many of them wait.
 */
import type { CallRequest } from "./engine-api.ts";
import type { Job } from "./job.ts";

/** A procedure is long if it has read or written as many rows: some milliseconds. */
const LONG_ROWS = 1024;

export class LongWork {
  /** They take turns, whatever their age. */
  private readonly jobs: Job[] = [];
  private readonly procedures = new Set<string>();
  private isTheirTurn = false;

  get isWaiting(): boolean {
    return this.jobs.length > 0;
  }

  add(job: Job): void {
    this.jobs.push(job);
  }

  /** A turn of the node's begins: for long work if this is true. */
  newTurn(): boolean {
    return (this.isTheirTurn = this.isWaiting && !this.isTheirTurn);
  }

  next(): Job | undefined {
    return this.jobs.shift();
  }

  /** Judged by how it was the last time. */
  isLong({ procedure }: CallRequest): boolean {
    return procedure !== undefined && this.procedures.has(procedure);
  }

  /** So many rows a call has read or written; to its end, or until it lacked something. */
  learn({ procedure }: CallRequest, rows: number, toItsEnd: boolean): void {
    if (procedure === undefined) return;
    if (rows >= LONG_ROWS) this.procedures.add(procedure);
    else if (toItsEnd) this.procedures.delete(procedure);
  }
}
