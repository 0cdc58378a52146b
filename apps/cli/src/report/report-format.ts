/** The shape of report.json, and what report.html is made of. */
import type { PointResult } from "../comparison/result.ts";
import type { Machine } from "./machine.ts";

export interface Report {
  readonly format: "sixfold-compare/1";
  /** What to type to get it again. */
  readonly command: string;
  /** ISO 8601. */
  readonly madeAt: string;
  readonly machine: Machine;
  /** What all points share: transaction style, clients, seed and so on, by their names on the command line. */
  readonly conditions: Readonly<Record<string, string | number>>;
  readonly results: readonly PointResult[];
}
