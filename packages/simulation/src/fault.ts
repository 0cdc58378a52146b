/**
 * What a fault is: something that happens to named parts of the cluster at a drawn time, and ends again.
 *
 * A fault is drawn whole before the run (`draw`), so that it can be printed, named on a command line, and left out when a failing
 * run is made smaller. It then only acts through the `Field`, which knows what other faults have done to the same part.
 */
import type { Random } from "@sixfold/model";
import type { Field } from "./field.ts";

/** What faults may aim at. */
export interface Targets {
  readonly servers: readonly string[];
  readonly nodes: readonly string[];
  /** Database nodes that are not of the cluster, but may join it. */
  readonly guests: readonly string[];
  /** Those of the nodes that write. */
  readonly writers: readonly string[];
  /** Availability zone of each process, clients included. */
  readonly zones: ReadonlyMap<string, string>;
  /** The one server whose medium may be damaged in this run: I1 promises nothing if more than two lose what they synced. */
  readonly damaged: string;
}

export interface FaultShape {
  /** Processes it happens to; of a partition the one side. */
  readonly targets: readonly string[];
  /** Milliseconds of virtual time from its begin to its end. */
  readonly forMs: number;
  /** A number with the meaning that the kind gives it; 0 where it has none. */
  readonly amount: number;
}

export interface PlannedFault extends FaultShape {
  /** Place in the plan of the seed, whatever else was left out. */
  readonly index: number;
  readonly kind: string;
  /** Virtual time since the load began. */
  readonly atMs: number;
}

export interface FaultKind {
  /** As `--faults` takes it. */
  readonly name: string;
  readonly about: string;
  draw(random: Random, targets: Targets): FaultShape;
  /** "pause writer-2". */
  describe(fault: FaultShape): string;
  begin(field: Field, fault: FaultShape): void;
  end(field: Field, fault: FaultShape): void;
}

/** Uniform in the logarithm: short and long ones alike. */
export function logUniform(random: Random, least: number, most: number): number {
  return Math.round(least * (most / least) ** random.next());
}
