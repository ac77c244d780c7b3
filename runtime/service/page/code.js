// The page's request as a program: the same model, thresholds and outputs.
"use strict";

const quoted = (text) => JSON.stringify(text);
// A text within single quotes of a shell.
const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curlCode({origin, model, version, outputs, parameters, file, token}) {
  const address = `${origin}/v1/models/${model}/versions/${version}:predict`;
  const rest = `"fetch": ${JSON.stringify(outputs)}, "parameters": ${JSON.stringify(parameters)}`;
  const auth = token ? ` \\\n  -H "Authorization: Bearer $TOKEN"` : "";
  return `(printf '{"instances": [{"b64": "'; base64 < ${shell(file)} | tr -d '\\n'; printf '"}], %s}' \\
  ${shell(rest)}) |
curl -s ${shell(address)}${auth} -d @-`;
}

function pythonCode({origin, model, version, outputs, parameters, file, token}) {
  const auth = token ? `, headers={"Authorization": "Bearer …"}` : "";
  return `import base64, json, urllib.request

picture = open(${quoted(file)}, "rb").read()
body = {
    "instances": [{"b64": base64.b64encode(picture).decode()}],
    "fetch": ${JSON.stringify(outputs)},
    "parameters": ${JSON.stringify(parameters)},
}
request = urllib.request.Request(
    ${quoted(`${origin}/v1/models/${model}/versions/${version}:predict`)},
    json.dumps(body).encode()${auth},
)
(found,) = json.load(urllib.request.urlopen(request))["predictions"]
print(found)`;
}

function tritonCode({host, secure, model, version, outputs, parameters, file, token}) {
  const auth = token ? `, headers={"Authorization": "Bearer …"}` : "";
  return `import numpy as np
import tritonclient.http as triton  # pip install "tritonclient[http]"

client = triton.InferenceServerClient(${quoted(host)}${secure ? ", ssl=True" : ""})
image = triton.InferInput("image", [1], "BYTES")
image.set_data_from_numpy(np.array([open(${quoted(file)}, "rb").read()], object))
outputs = [triton.InferRequestedOutput(name) for name in ${JSON.stringify(outputs)}]
found = client.infer(
    ${quoted(model)}, [image], ${quoted(version)}, outputs, parameters=${JSON.stringify(parameters)}${auth}
)
print(found.as_numpy(${quoted(outputs[0])}))`;
}

const CODE = {curl: curlCode, python: pythonCode, triton: tritonCode};
