/** Every safety condition of the protocol, once. The monitor and the formal model judge by this list and no other. */
import type { NodeName } from "@sixfold/model";
import { commitConditions } from "./commit-conditions.ts";
import { tableOf, type Condition, type Step } from "./condition.ts";
import type { Facts } from "./facts.ts";
import { nodeConditions, segmentConditions } from "./node-conditions.ts";
import { streamConditions } from "./stream-conditions.ts";

export const CONDITIONS: readonly Condition[] = [
  ...commitConditions,
  ...streamConditions,
  ...segmentConditions,
  ...nodeConditions,
];

const table = tableOf(CONDITIONS);

/** Judges one step against the facts of before it. Calls `report` for each condition that fails. */
export function judge(
  facts: Facts,
  step: Step,
  process: NodeName,
  report: (condition: Condition, detail: string) => void,
): void {
  const conditions = table.get(step.kind);
  if (conditions === undefined) return;
  for (let i = 0; i < conditions.length; i++) {
    const detail = conditions[i]!.fails(facts, step, process);
    if (detail !== undefined) report(conditions[i]!, detail);
  }
}
