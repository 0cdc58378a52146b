/** Parses the lists and addresses of the server's command line. */
import { InvalidArgumentError } from "commander";
import type { Role } from "@sixfold/model";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `name@az=url`, `name@az/replica=url` or `name=url`. */
export interface Named {
  readonly name: string;
  readonly az: string;
  readonly role: Role;
  readonly url: string;
}

export function address(text: string): Address {
  const at = text.lastIndexOf(":");
  const port = Number(text.slice(at + 1));
  if (at < 1 || !Number.isInteger(port) || port < 0 || port > 65535)
    throw new InvalidArgumentError("host:port, please");
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port };
}

export function nodeList(text: string): Named[] {
  return text
    .split(",")
    .filter((item) => item.trim() !== "")
    .map((item) => {
      const match = /^([\w.-]+)(?:@([\w-]+)(\/replica)?)?=(wss?:\/\/\S+)$/.exec(item.trim());
      if (match === null)
        throw new InvalidArgumentError(`"${item}" is not of the form name@az=ws://host:port`);
      const [, name, az, replica, url] = match;
      return { name: name!, az: az ?? "", role: replica === undefined ? "writer" : "replica", url: url! };
    });
}

export function serverList(text: string): Named[] {
  const servers = nodeList(text);
  if (servers.length !== 6 || new Set(servers.map((server) => server.name)).size !== 6)
    throw new InvalidArgumentError(`six segment servers with different names, please, not ${servers.length}`);
  return servers;
}
