// Command testprovider stands in for Terraform's AWS provider where the real one
// is not at hand: it has the arguments of the resources that the module uses,
// from schema.json, and makes nothing. With it terraform validate finds unknown
// and missing arguments, and terraform test runs with mocks.
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
	attributes, blocks := m.kind.resource()
	r.Schema = rschema.Schema{Attributes: attributes, Blocks: blocks}
}

func (made) Create(context.Context, resource.CreateRequest, *resource.CreateResponse) {}
func (made) Read(context.Context, resource.ReadRequest, *resource.ReadResponse)       {}
func (made) Update(context.Context, resource.UpdateRequest, *resource.UpdateResponse) {}
func (made) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}

func (k kind) resource() (map[string]rschema.Attribute, map[string]rschema.Block) {
	attributes, blocks := map[string]rschema.Attribute{}, map[string]rschema.Block{}
	for name, a := range k.Attributes {
		optional := !a.Required && !a.Computed
		computed := a.Computed || name == "id" && !a.Required
		switch a.Type {
		case "string":
			attributes[name] = rschema.StringAttribute{Required: a.Required, Optional: optional, Computed: computed}
		case "number":
			attributes[name] = rschema.NumberAttribute{Required: a.Required, Optional: optional, Computed: computed}
		case "bool":
			attributes[name] = rschema.BoolAttribute{Required: a.Required, Optional: optional, Computed: computed}
		case "list":
			attributes[name] = rschema.ListAttribute{ElementType: types.StringType, Required: a.Required, Optional: optional, Computed: computed}
		case "map":
			attributes[name] = rschema.MapAttribute{ElementType: types.StringType, Required: a.Required, Optional: optional, Computed: computed}
		}
	}
	for name, b := range k.Blocks {
		inner, nested := b.resource()
		blocks[name] = rschema.ListNestedBlock{NestedObject: rschema.NestedBlockObject{Attributes: inner, Blocks: nested}}
	}
	return attributes, blocks
}

type looked struct {
	name string
	kind kind
}

func (l looked) Metadata(_ context.Context, _ datasource.MetadataRequest, r *datasource.MetadataResponse) {
	r.TypeName = l.name
}

func (l looked) Schema(_ context.Context, _ datasource.SchemaRequest, r *datasource.SchemaResponse) {
	attributes, blocks := l.kind.data()
	r.Schema = dschema.Schema{Attributes: attributes, Blocks: blocks}
}

func (looked) Read(context.Context, datasource.ReadRequest, *datasource.ReadResponse) {}

func (k kind) data() (map[string]dschema.Attribute, map[string]dschema.Block) {
	attributes, blocks := map[string]dschema.Attribute{}, map[string]dschema.Block{}
	for name, a := range k.Attributes {
		optional := !a.Required && !a.Computed
		computed := a.Computed || name == "id" && !a.Required
		switch a.Type {
		case "string":
			attributes[name] = dschema.StringAttribute{Required: a.Required, Optional: optional, Computed: computed}
		case "number":
			attributes[name] = dschema.NumberAttribute{Required: a.Required, Optional: optional, Computed: computed}
		case "bool":
			attributes[name] = dschema.BoolAttribute{Required: a.Required, Optional: optional, Computed: computed}
		case "list":
			attributes[name] = dschema.ListAttribute{ElementType: types.StringType, Required: a.Required, Optional: optional, Computed: computed}
		case "map":
			attributes[name] = dschema.MapAttribute{ElementType: types.StringType, Required: a.Required, Optional: optional, Computed: computed}
		}
	}
	for name, b := range k.Blocks {
		inner, nested := b.data()
		blocks[name] = dschema.ListNestedBlock{NestedObject: dschema.NestedBlockObject{Attributes: inner, Blocks: nested}}
	}
	return attributes, blocks
}
