/**
 * The protocol as an abstract machine: every step that anybody may take in a state (DESIGN sections 4, 6 and 7). Meant to be read as the
 * specification: a guard, the rule that it comes from, the effect.
 *
 *     writer     send · commit by votes · abort · tell · commit through the manifest     (writer-actions.ts)
 *     segment    take · vote again · learn a decision · gossip                           (segment-actions.ts)
 *     recovery   read · fence · judge and close · tell the segments                      (recovery-actions.ts)
 *
 * A step that nobody may take is a rule; what is left open (when, in which order, whether at all) is the world's doing.
 */
import { recoveryActions } from "./recovery-actions.ts";
import { segmentActions } from "./segment-actions.ts";
import { Stage, type Sink } from "./stage.ts";
import { tellDueAborts, writerActions } from "./writer-actions.ts";
import type { World } from "./world.ts";

export const stageOf = (world: World, sink: Sink): Stage => new Stage(world, sink, tellDueAborts);

/** Every step from the state that the stage was started with. */
export function allActions(stage: Stage): void {
  writerActions(stage);
  segmentActions(stage);
  recoveryActions(stage);
}
