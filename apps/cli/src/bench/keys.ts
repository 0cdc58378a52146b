/**
 * Which rows a client draws.
 *
 *     rows      0 ............................................. rows-1
 *     used      a hot set of them, or all: spread evenly over the table, or its first ones side by side
 *     parts     | writer 1's | writer 2's | …        of the used ones, in order
 *
 * A shared access goes to any used row, whoever's part it is in; every other to the client's own writer's part. So at 100 % all
 * writers draw alike, and what one master does at any percentage is comparable with it.
 */
import type { Random } from "@sixfold/model";
import { ScrambledZipfian } from "@sixfold/workload";

export interface KeyOptions {
  readonly rows: number;
  /** Rows that are used; all unless given. */
  readonly hot: number | undefined;
  /** Whether hot rows lie on as many pages as they can or on as few. */
  readonly layout: "spread" | "dense";
  readonly writers: number;
  readonly sharedPct: number;
  /** Zipfian as in the YCSB instead of uniform. */
  readonly zipf: boolean;
  /** The keys of one transaction ascending, or as drawn. */
  readonly order: "drawn" | "sorted";
}

interface Span {
  readonly from: number;
  readonly size: number;
  readonly zipfian: ScrambledZipfian | undefined;
}

export class KeyDraw {
  private readonly options: KeyOptions;
  private readonly used: number;
  private readonly all: Span;
  private readonly parts: readonly Span[];

  constructor(options: KeyOptions) {
    this.options = options;
    this.used = options.hot ?? options.rows;
    this.all = this.span(0, this.used);
    const edge = (writer: number): number => Math.floor((writer * this.used) / options.writers);
    this.parts = Array.from({ length: options.writers }, (_, w) => this.span(edge(w), edge(w + 1)));
  }

  /** True if the next access goes to rows common to all. */
  isShared(random: Random): boolean {
    return random.next() * 100 < this.options.sharedPct;
  }

  one(writer: number, random: Random): number {
    const span = this.isShared(random) ? this.all : this.parts[writer]!;
    const index = span.from + (span.zipfian?.next(random) ?? random.int(span.size));
    return this.options.layout === "dense" ? index : Math.floor((index * this.options.rows) / this.used);
  }

  /** So many different ones. */
  some(count: number, writer: number, random: Random): number[] {
    const drawn = new Set<number>();
    while (drawn.size < count) drawn.add(this.one(writer, random));
    const keys = [...drawn];
    return this.options.order === "sorted" ? keys.sort((a, b) => a - b) : keys;
  }

  private span(from: number, to: number): Span {
    const size = to - from;
    return { from, size, zipfian: this.options.zipf && size > 0 ? new ScrambledZipfian(size) : undefined };
  }
}
