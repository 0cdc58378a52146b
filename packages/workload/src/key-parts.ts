/**
 * The shared fraction: which rows a client touches.
 *
 * Keys are divided into one private part per writer and one common part, all of one size:
 *
 *     ["common", 0 … n-1]  ["writer-0", 0 … n-1]  ["writer-1", 0 … n-1]  …
 *
 * A client belongs to one writer. Each single access goes to the common part with probability
 * `sharedPct` / 100, else to the private part of the client's writer. At 0 no two writers meet
 * on a row (and hardly on a page, since a part's keys are neighbours); at 100 all meet.
 */
import { assert, type Random } from "@sixfold/model";
import type { RowKey } from "./database-face.ts";

export const COMMON_PART = "common";

export interface KeyPartsOptions {
  readonly writers: number;
  /** Rows of all parts together; each part gets an equal share, rounded down, at least one. */
  readonly records: number;
  /** 0 … 100, of accesses. */
  readonly sharedPct: number;
}

export class KeyParts {
  readonly parts: readonly string[];
  readonly rowsPerPart: number;
  private readonly shared: number;

  constructor(options: KeyPartsOptions) {
    assert(options.writers >= 1, "there is a writer");
    assert(options.sharedPct >= 0 && options.sharedPct <= 100, "a percentage");
    const names = [COMMON_PART];
    for (let w = 0; w < options.writers; w++) names.push(privatePart(w));
    this.parts = names;
    this.rowsPerPart = Math.max(1, Math.floor(options.records / names.length));
    this.shared = options.sharedPct / 100;
  }

  /** Rows in all parts. */
  get rows(): number {
    return this.rowsPerPart * this.parts.length;
  }

  /** The writer that client `client` belongs to. */
  writerOf(client: number): number {
    return client % (this.parts.length - 1);
  }

  /** The part that the next access of a client of `writer` goes to. */
  choosePart(writer: number, random: Random): string {
    return random.chance(this.shared) ? COMMON_PART : this.parts[1 + writer]!;
  }

  /** Every key, part by part in key order. */
  *keys(): Generator<RowKey> {
    for (const part of this.parts) for (let row = 0; row < this.rowsPerPart; row++) yield [part, row];
  }
}

export function privatePart(writer: number): string {
  return `writer-${writer}`;
}
