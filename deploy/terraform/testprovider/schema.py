#!/usr/bin/env python3
"""Writes schema.json: the arguments of the AWS resources that the module uses.

They come from @cdktf/provider-aws on npm, which HashiCorp generated from the AWS provider.
With --check it only compares the file. It needs npm and the network; the tests do not.
"""
import json, pathlib, re, subprocess, sys, tarfile, tempfile

PACKAGE = "@cdktf/provider-aws@21.22.1"
RESOURCES = """secretsmanager_secret secretsmanager_secret_policy secretsmanager_secret_rotation secretsmanager_secret_version
iam_policy iam_role iam_role_policy iam_role_policy_attachment lambda_function lambda_permission cloudwatch_log_group
cloudwatch_event_rule cloudwatch_event_target cloudwatch_metric_alarm ecr_pull_through_cache_rule""".split()
DATA = "caller_identity partition iam_policy_document secretsmanager_secret".split()
TYPES = {"string": "string", "number": "number", "boolean": "bool", "string[]": "list", "{": "map"}


def snake(name):
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def kind(text):
    text = text.split(" | ")[0].rstrip(";").strip()
    return TYPES.get(text)


def members(text, name):
    """The settable members of an interface."""
    body = re.search(r"export interface %s (?:extends [\w.]+ )?\{\n(.*?)\n\}" % re.escape(name), text, re.S).group(1)
    attributes, blocks = {}, {}
    for comment, field, optional, typ in re.findall(r"/\*\*(.*?)\*/\s+readonly (\w+)(\??): ([^\n]+)", body, re.S):
        where = re.search(r"#(\w+) ", comment)
        key = where.group(1) if where else snake(field)
        if kind(typ):
            attributes[key] = {"type": kind(typ), "required": not optional}
        else:
            inner, many = re.match(r"(\w+)(\[\])?", typ).groups()
            if re.search(r"export interface %s " % inner, text):
                block = members(text, inner)
                block["many"] = bool(many)
                blocks[key] = block
    return {"attributes": attributes, "blocks": blocks}


def schema(text):
    result = members(text, re.search(r"export interface (\w+Config) extends cdktf.TerraformMetaArguments", text).group(1))
    name = re.search(r"export declare class (\w+) extends cdktf.Terraform(?:Resource|DataSource) \{\n(.*?)\n\}", text, re.S)
    for field, typ in re.findall(r"^    get (\w+)\(\): ([^;\n{]+|\{)", name.group(2), re.M):
        key = snake(field)
        if kind(typ) and not field.endswith("Input") and key not in result["blocks"] and key not in result["attributes"]:
            result["attributes"][key] = {"type": kind(typ), "computed": True}
    return result


def main():
    with tempfile.TemporaryDirectory() as folder:
        tgz = subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]
        found = {"source": PACKAGE, "resources": {}, "data": {}}
        with tarfile.open(pathlib.Path(folder) / tgz) as archive:
            for section, prefix, names in (("resources", "", RESOURCES), ("data", "data-aws-", DATA)):
                for name in names:
                    path = "package/lib/%s%s/index.d.ts" % (prefix, name.replace("_", "-"))
                    found[section]["aws_" + name] = schema(archive.extractfile(path).read().decode())
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    path = pathlib.Path(__file__).with_name("schema.json")
    if "--check" in sys.argv:
        sys.exit(0 if path.read_text() == text else "schema.json differs from " + PACKAGE)
    path.write_text(text)


main()
