/**
 * What a database node can be told to do, over HTTP on its own port.
 *
 *     POST /replace {leaving, joining?}   has what a segment server keeps moved to others
 *     POST /servers {name, az, url}       makes a new segment server known to the volume
 *     POST /retire {node?}                leaves for good, or strikes off a node that has gone without leaving
 *     POST /failover {to?}                the present writer of an exclusive volume hands over; any other node says who that is
 *     POST /mode {mode}                   has the volume moved to this mode; the rest is seen in /status
 */
import type { HandoverAnswer } from "@sixfold/database";
import { nodeName, type Mode, type SegmentServerInfo } from "@sixfold/model";
import type { ReplaceAnswer } from "@sixfold/volume";
import { json, type Commands } from "./http.ts";

export interface CommandedNode {
  readonly name: string;
  replace(leaving: string, joining?: string): Promise<ReplaceAnswer>;
  /** Settled when the process may end. */
  retire(): Promise<void>;
  strikeOff(name: string): Promise<void>;
  addServer(server: SegmentServerInfo): Promise<void>;
  /** Settled when another node writes, or nothing was done. */
  failOver(to?: string): Promise<HandoverAnswer>;
  /** Settled when the wish is in the manifest; false: there is no volume yet. */
  switchMode(mode: Mode): Promise<boolean>;
}

const isName = (name: unknown): name is string => typeof name === "string" && name !== "";

export function nodeCommands(node: CommandedNode): Commands {
  return {
    "/replace": async ({ leaving, joining }) => {
      if (!isName(leaving) || (joining !== undefined && !isName(joining)))
        return json(400, { refused: "leaving, and joining if it is given, are names of segment servers" });
      const answer = await node.replace(leaving, joining);
      return json("refused" in answer ? 409 : 202, answer);
    },
    "/servers": async ({ name, az, url }) => {
      if (!isName(name) || !isName(az) || !isName(url))
        return json(400, { refused: "name, az and url are those of a segment server" });
      await node.addServer({ name: nodeName(name), az, url });
      return json(202, { added: name });
    },
    "/failover": async ({ to }) => {
      if (to !== undefined && !isName(to))
        return json(400, { refused: "to, if it is given, is the name of a database node" });
      const answer = await node.failOver(to);
      return json("refused" in answer ? 409 : 200, answer);
    },
    "/mode": async ({ mode }) => {
      if (mode !== "single" && mode !== "multi") return json(400, { refused: "mode is single or multi" });
      if (await node.switchMode(mode)) return json(202, { mode });
      return json(409, { refused: "there is no volume yet" });
    },
    "/retire": async ({ node: name = node.name }) => {
      if (!isName(name))
        return json(400, { refused: "node, if it is given, is the name of a database node" });
      // Its port closes with it: it answers when that has begun.
      if (name === node.name) void node.retire();
      else await node.strikeOff(name);
      return json(202, { retiring: name });
    },
  };
}
