// Command testprovider is a fake of Terraform's AWS provider, for tests without the network.
// It knows the arguments of the module's resources from schema.json and makes nothing: terraform
// validate finds unknown and missing arguments, and terraform test runs with mocks.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	dschema "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	pschema "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	rschema "github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

//go:embed schema.json
var published []byte

type kind struct {
	Attributes map[string]struct {
		Type               string
		Required, Computed bool
	}
	Blocks map[string]struct {
		kind
		Many bool
	}
}

var known struct{ Resources, Data map[string]kind }

func main() {
	if err := json.Unmarshal(published, &known); err != nil {
		log.Fatal(err)
	}
	serve := func() provider.Provider { return aws{} }
	if err := providerserver.Serve(context.Background(), serve, providerserver.ServeOpts{Address: "registry.terraform.io/hashicorp/aws"}); err != nil {
		log.Fatal(err)
	}
}

type aws struct{}

func (aws) Metadata(_ context.Context, _ provider.MetadataRequest, r *provider.MetadataResponse) {
	r.TypeName = "aws"
}

func (aws) Schema(_ context.Context, _ provider.SchemaRequest, r *provider.SchemaResponse) {
	r.Schema = pschema.Schema{Attributes: map[string]pschema.Attribute{
		"region": pschema.StringAttribute{Optional: true}, "profile": pschema.StringAttribute{Optional: true},
	}}
}

func (aws) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {}

func (aws) Resources(context.Context) []func() resource.Resource {
	var all []func() resource.Resource
	for name, k := range known.Resources {
		all = append(all, func() resource.Resource { return made{name, k} })
	}
	return all
}

func (aws) DataSources(context.Context) []func() datasource.DataSource {
	var all []func() datasource.DataSource
	for name, k := range known.Data {
		all = append(all, func() datasource.DataSource { return looked{name, k} })
	}
	return all
}

type made struct {
	name string
	kind kind
}

func (m made) Metadata(_ context.Context, _ resource.MetadataRequest, r *resource.MetadataResponse) {
	r.TypeName = m.name
}

func (m made) Schema(_ context.Context, _ resource.SchemaRequest, r *resource.SchemaResponse) {
	attributes, blocks := schemaOf(m.kind, resourceAttribute, resourceBlock)
	r.Schema = rschema.Schema{Attributes: attributes, Blocks: blocks}
}

func (made) Create(context.Context, resource.CreateRequest, *resource.CreateResponse) {}
func (made) Read(context.Context, resource.ReadRequest, *resource.ReadResponse)       {}
func (made) Update(context.Context, resource.UpdateRequest, *resource.UpdateResponse) {}
func (made) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}

func schemaOf[A, B any](k kind, attribute func(typ string, required, optional, computed bool) A, block func(map[string]A, map[string]B) B) (map[string]A, map[string]B) {
	attributes, blocks := map[string]A{}, map[string]B{}
	for name, a := range k.Attributes {
		attributes[name] = attribute(a.Type, a.Required, !a.Required && !a.Computed, a.Computed || name == "id" && !a.Required)
	}
	for name, b := range k.Blocks {
		blocks[name] = block(schemaOf(b.kind, attribute, block))
	}
	return attributes, blocks
}

func resourceAttribute(typ string, required, optional, computed bool) rschema.Attribute {
	switch typ {
	case "string":
		return rschema.StringAttribute{Required: required, Optional: optional, Computed: computed}
	case "number":
		return rschema.NumberAttribute{Required: required, Optional: optional, Computed: computed}
	case "bool":
		return rschema.BoolAttribute{Required: required, Optional: optional, Computed: computed}
	case "list":
		return rschema.ListAttribute{ElementType: types.StringType, Required: required, Optional: optional, Computed: computed}
	default:
		return rschema.MapAttribute{ElementType: types.StringType, Required: required, Optional: optional, Computed: computed}
	}
}

func resourceBlock(attributes map[string]rschema.Attribute, blocks map[string]rschema.Block) rschema.Block {
	return rschema.ListNestedBlock{NestedObject: rschema.NestedBlockObject{Attributes: attributes, Blocks: blocks}}
}

type looked struct {
	name string
	kind kind
}

func (l looked) Metadata(_ context.Context, _ datasource.MetadataRequest, r *datasource.MetadataResponse) {
	r.TypeName = l.name
}

func (l looked) Schema(_ context.Context, _ datasource.SchemaRequest, r *datasource.SchemaResponse) {
	attributes, blocks := schemaOf(l.kind, dataAttribute, dataBlock)
	r.Schema = dschema.Schema{Attributes: attributes, Blocks: blocks}
}

func (looked) Read(context.Context, datasource.ReadRequest, *datasource.ReadResponse) {}

func dataAttribute(typ string, required, optional, computed bool) dschema.Attribute {
	switch typ {
	case "string":
		return dschema.StringAttribute{Required: required, Optional: optional, Computed: computed}
	case "number":
		return dschema.NumberAttribute{Required: required, Optional: optional, Computed: computed}
	case "bool":
		return dschema.BoolAttribute{Required: required, Optional: optional, Computed: computed}
	case "list":
		return dschema.ListAttribute{ElementType: types.StringType, Required: required, Optional: optional, Computed: computed}
	default:
		return dschema.MapAttribute{ElementType: types.StringType, Required: required, Optional: optional, Computed: computed}
	}
}

func dataBlock(attributes map[string]dschema.Attribute, blocks map[string]dschema.Block) dschema.Block {
	return dschema.ListNestedBlock{NestedObject: dschema.NestedBlockObject{Attributes: attributes, Blocks: blocks}}
}
